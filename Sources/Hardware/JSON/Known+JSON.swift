// SPDX-License-Identifier: Apache-2.0
package import JSONText
package import Quantities

extension Known {
  /// `{"value", "low", "high", "basis", "source"?}`, or `{"value": null, "basis": "unknown", "reason"}`.
  package var json: JSON {
    switch self {
    case .unknown(let reason):
      return .object([.init("value", .null), .init("basis", "unknown"), .init("reason", .string(reason))])
    case .known(let value, let low, let high, let basis, let source):
      return .object(present: [
        ("value", Self.number(value)), ("low", Self.number(low)), ("high", Self.number(high)),
        ("basis", .string(basis.rawValue)), ("source", source.map { .string($0) }),
      ])
    }
  }

  /// A plain number where the value was read here and has no spread, such as the size of memory; else ``json``.
  package var plainJSON: JSON {
    guard case .known(let value, let low, let high, .measured, nil) = self, value == low, value == high else {
      return json
    }
    return Self.number(value)
  }

  private static func number(_ value: Value) -> JSON {
    if let count = value as? ByteCount { return .integer(count.bytes) }
    return .number(value.magnitude)
  }

  package init(reading reader: ProfileReader) throws(HardwareProfileError) {
    guard reader.json.members != nil else {
      self = .exact(try Self.amount(reader), .measured)
      return
    }
    let basis = try reader.optional("basis")?.word(Basis.self) ?? .published
    guard basis != .unknown, let value = reader.optional("value") else {
      self = .unknown(reason: try reader.optional("reason")?.string() ?? "not given in the profile")
      return
    }
    let amount = try Self.amount(value)
    let low = try reader.optional("low").map { reader throws(HardwareProfileError) in try Self.amount(reader) }
    let high = try reader.optional("high").map { reader throws(HardwareProfileError) in try Self.amount(reader) }
    self = .known(
      amount, low: min(low ?? amount, amount), high: max(high ?? amount, amount), basis: basis,
      source: try reader.optional("source")?.string())
  }

  private static func amount(_ reader: ProfileReader) throws(HardwareProfileError) -> Value {
    if let count = try Value.self == ByteCount.self ? reader.bytes() as? Value : nil { return count }
    return Value(magnitude: try reader.double())
  }
}

extension ProfileReader {
  /// The quantity under a key, or unknown for the given reason when the key is absent.
  func known<Value: Quantity>(_ key: String, absent: String) throws(HardwareProfileError) -> Known<Value> {
    guard let reader = optional(key) else { return .unknown(reason: absent) }
    return try Known(reading: reader)
  }
}
