// SPDX-License-Identifier: Apache-2.0
package import JSONText
internal import Quantities

/// A JSON value with the way that leads to it, so that every complaint names file and key.
package struct ProfileReader {
  let json: JSON
  let file: String
  let path: String

  package init(_ json: JSON, file: String, path: String = "profile") {
    self.json = json
    self.file = file
    self.path = path
  }

  /// The value under a key; null counts as absent.
  func optional(_ key: String) -> ProfileReader? {
    guard let value = json[key], !value.isNull else { return nil }
    return ProfileReader(value, file: file, path: "\(path).\(key)")
  }

  func required(_ key: String) throws(HardwareProfileError) -> ProfileReader {
    guard json.members != nil else { throw wrong("an object") }
    guard let reader = optional(key) else { throw .missingKey(file: file, key: "\(path).\(key)") }
    return reader
  }

  /// The values of a list under a key; an absent list is empty.
  func list(_ key: String) throws(HardwareProfileError) -> [ProfileReader] {
    guard let reader = optional(key) else { return [] }
    guard let values = reader.json.arrayValue else { throw reader.wrong("a list") }
    return values.enumerated().map { ProfileReader($1, file: file, path: "\(reader.path)[\($0)]") }
  }

  func string() throws(HardwareProfileError) -> String {
    guard let value = json.stringValue else { throw wrong("a text") }
    return value
  }

  func bool() throws(HardwareProfileError) -> Bool {
    guard let value = json.boolValue else { throw wrong("true or false") }
    return value
  }

  func int(atLeast minimum: Int = 0) throws(HardwareProfileError) -> Int {
    guard let value = json.intValue else { throw wrong("a whole number") }
    // Products of two such numbers stay within 64 bits: nothing that reads a profile can overflow by multiplying.
    guard value >= minimum, value <= 1 << 31 else { throw range(value, "from \(minimum) to 2^31") }
    return value
  }

  func double() throws(HardwareProfileError) -> Double {
    guard let value = json.doubleValue else { throw wrong("a number") }
    guard value >= 0, value <= 1e24 else { throw range(value, "from 0 to 1e24") }
    return value
  }

  /// A number of bytes up to 2^60, beyond any machine.
  func bytes() throws(HardwareProfileError) -> ByteCount {
    guard let value = json.intValue else { throw wrong("a whole number of bytes") }
    guard value >= 0, value <= 1 << 60 else { throw range(value, "from 0 to 2^60") }
    return ByteCount(value)
  }

  func word<Word: RawRepresentable & CaseIterable>(_: Word.Type) throws(HardwareProfileError) -> Word
  where Word.RawValue == String {
    let text = try string()
    guard let word = Word(rawValue: text) else {
      let allowed = Word.allCases.map { "'\($0.rawValue)'" }.joined(separator: ", ")
      throw .outOfRange(file: file, key: path, value: "'\(text)'", allowed: "one of \(allowed)")
    }
    return word
  }

  func wrong(_ expected: String) -> HardwareProfileError {
    .wrongType(file: file, key: path, expected: expected, found: json.kindName)
  }

  private func range(_ value: some Any, _ allowed: String) -> HardwareProfileError {
    .outOfRange(file: file, key: path, value: "\(value)", allowed: allowed)
  }
}

extension JSON {
  var kindName: String {
    switch self {
    case .null: "null"
    case .bool: "a truth value"
    case .integer, .number: "a number"
    case .string: "a text"
    case .array: "a list"
    case .object: "an object"
    }
  }

  /// An object without the members whose value is nil.
  static func object(present members: [(String, JSON?)]) -> JSON {
    .object(members.compactMap { key, value in value.map { Member(key, $0) } })
  }

  init(_ text: String?) { self = text.map { .string($0) } ?? .null }
  init(_ number: Int?) { self = number.map { .integer(Int64($0)) } ?? .null }
  init(_ number: Double?) { self = number.map { .number($0) } ?? .null }
  init(_ count: ByteCount?) { self = count.map { .integer($0.bytes) } ?? .null }
}
