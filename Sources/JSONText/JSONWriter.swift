// SPDX-License-Identifier: Apache-2.0

extension JSON {
  /// The value as JSON text (RFC 8259), keys in their own order.
  ///
  /// A number that JSON cannot carry (infinite, not a number) is written as null: the reader then sees "unknown".
  package func text(pretty: Bool = false) -> String { String(decoding: utf8(pretty: pretty), as: UTF8.self) }

  package func utf8(pretty: Bool = false) -> [UInt8] {
    var writer = JSONWriter(isPretty: pretty)
    writer.write(self, depth: 0)
    return writer.output
  }
}

private struct JSONWriter {
  let isPretty: Bool
  var output: [UInt8] = []

  mutating func write(_ value: JSON, depth: Int) {
    switch value {
    case .null: append("null")
    case .bool(let flag): append(flag ? "true" : "false")
    case .integer(let whole): append(String(whole))
    case .number(let number): write(number)
    case .string(let text): write(text)
    case .array(let values):
      list(values, open: "[", close: "]", depth: depth) { $0.write($1, depth: depth + 1) }
    case .object(let members):
      list(members, open: "{", close: "}", depth: depth) { writer, member in
        writer.write(member.key)
        writer.append(writer.isPretty ? ": " : ":")
        writer.write(member.value, depth: depth + 1)
      }
    }
  }

  private mutating func list<Element>(
    _ elements: [Element], open: String, close: String, depth: Int, _ each: (inout JSONWriter, Element) -> Void
  ) {
    append(open)
    for (index, element) in elements.enumerated() {
      if index > 0 { append(",") }
      newline(depth: depth + 1)
      each(&self, element)
    }
    if !elements.isEmpty { newline(depth: depth) }
    append(close)
  }

  private mutating func newline(depth: Int) {
    guard isPretty else { return }
    output.append(0x0A)
    output.append(contentsOf: repeatElement(0x20, count: depth * 2))
  }

  private mutating func write(_ number: Double) {
    guard number.isFinite else { return append("null") }
    if number == number.rounded(), abs(number) < 1e15 { return append(String(Int64(number))) }
    append(String(number))
  }

  private mutating func write(_ text: String) {
    output.append(UInt8(ascii: "\""))
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "\""): append("\\\"")
      case UInt8(ascii: "\\"): append("\\\\")
      case 0x0A: append("\\n")
      case 0x0D: append("\\r")
      case 0x09: append("\\t")
      case 0..<0x20: append("\\u00" + (byte < 16 ? "0" : "") + String(byte, radix: 16))
      default: output.append(byte)
      }
    }
    output.append(UInt8(ascii: "\""))
  }

  private mutating func append(_ text: String) { output.append(contentsOf: text.utf8) }
}
