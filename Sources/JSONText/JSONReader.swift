// SPDX-License-Identifier: Apache-2.0

/// What is wrong with a JSON text, and at which byte.
package enum JSONError: Error, Equatable, Sendable {
  case unexpectedEnd(offset: Int)
  case unexpectedByte(UInt8, offset: Int, expected: String)
  case invalidNumber(offset: Int)
  case invalidString(offset: Int)
  case tooDeep(offset: Int, limit: Int)
  case trailingBytes(offset: Int)

  /// Where the reader stopped, in bytes from the start of the text.
  package var offset: Int {
    switch self {
    case .unexpectedEnd(let offset), .unexpectedByte(_, let offset, _), .invalidNumber(let offset),
      .invalidString(let offset), .tooDeep(let offset, _), .trailingBytes(let offset):
      offset
    }
  }
}

extension JSON {
  /// Reads one JSON value (RFC 8259) that fills all of `bytes`, apart from white space.
  ///
  /// - Throws: ``JSONError`` with the byte offset. Nesting beyond 128 levels is refused, so that a hostile file
  ///   cannot exhaust the stack.
  package init(parsing bytes: [UInt8]) throws(JSONError) {
    var reader = JSONReader(bytes: bytes)
    let value = try reader.value(depth: 0)
    reader.skipWhitespace()
    guard reader.offset == bytes.count else { throw .trailingBytes(offset: reader.offset) }
    self = value
  }

  package init(parsing text: String) throws(JSONError) { try self.init(parsing: Array(text.utf8)) }
}

private struct JSONReader {
  static let depthLimit = 128
  let bytes: [UInt8]
  var offset = 0

  mutating func skipWhitespace() {
    while offset < bytes.count, bytes[offset] == 0x20 || (0x09...0x0D).contains(bytes[offset]) { offset += 1 }
  }

  private func peek() throws(JSONError) -> UInt8 {
    guard offset < bytes.count else { throw .unexpectedEnd(offset: offset) }
    return bytes[offset]
  }

  private mutating func expect(_ byte: UInt8, _ what: String) throws(JSONError) {
    let found = try peek()
    guard found == byte else { throw .unexpectedByte(found, offset: offset, expected: what) }
    offset += 1
  }

  mutating func value(depth: Int) throws(JSONError) -> JSON {
    guard depth < Self.depthLimit else { throw .tooDeep(offset: offset, limit: Self.depthLimit) }
    skipWhitespace()
    let first = try peek()
    switch first {
    case UInt8(ascii: "{"): return try object(depth: depth)
    case UInt8(ascii: "["): return try array(depth: depth)
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
    default: throw .unexpectedByte(first, offset: offset, expected: "a value")
    }
  }

  private mutating func word(_ word: String, _ value: JSON) throws(JSONError) -> JSON {
    for byte in word.utf8 { try expect(byte, "'\(word)'") }
    return value
  }

  private mutating func object(depth: Int) throws(JSONError) -> JSON {
    offset += 1
    var members: [JSON.Member] = []
    skipWhitespace()
    if try peek() == UInt8(ascii: "}") {
      offset += 1
      return .object(members)
    }
    while true {
      skipWhitespace()
      guard try peek() == UInt8(ascii: "\"") else {
        throw .unexpectedByte(bytes[offset], offset: offset, expected: "a key in quotes")
      }
      let key = try string()
      skipWhitespace()
      try expect(UInt8(ascii: ":"), "':'")
      members.append(JSON.Member(key, try value(depth: depth + 1)))
      if try closes(with: UInt8(ascii: "}")) { return .object(members) }
    }
  }

  private mutating func array(depth: Int) throws(JSONError) -> JSON {
    offset += 1
    var values: [JSON] = []
    skipWhitespace()
    if try peek() == UInt8(ascii: "]") {
      offset += 1
      return .array(values)
    }
    while true {
      values.append(try value(depth: depth + 1))
      if try closes(with: UInt8(ascii: "]")) { return .array(values) }
    }
  }

  /// Consumes a comma (false) or the closing byte (true).
  private mutating func closes(with end: UInt8) throws(JSONError) -> Bool {
    skipWhitespace()
    let byte = try peek()
    guard byte == UInt8(ascii: ",") || byte == end else {
      throw .unexpectedByte(byte, offset: offset, expected: "',' or '\(Character(UnicodeScalar(end)))'")
    }
    offset += 1
    return byte == end
  }

  private mutating func number() throws(JSONError) -> JSON {
    let start = offset
    var isWhole = true
    while offset < bytes.count {
      switch bytes[offset] {
      case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "+"): break
      case UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"): isWhole = false
      default: return try number(from: start, isWhole: isWhole)
      }
      offset += 1
    }
    return try number(from: start, isWhole: isWhole)
  }

  private func number(from start: Int, isWhole: Bool) throws(JSONError) -> JSON {
    let text = String(decoding: bytes[start..<offset], as: UTF8.self)
    let digits = bytes[start] == UInt8(ascii: "-") ? start + 1 : start
    let startsWithDigit = digits < offset && (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[digits])
    let hasLeadingZero = digits + 1 < offset && bytes[digits] == UInt8(ascii: "0") && isDigit(bytes[digits + 1])
    guard startsWithDigit, !hasLeadingZero, isDigit(bytes[offset - 1]) else { throw .invalidNumber(offset: start) }
    if isWhole, let value = Int64(text) { return .integer(value) }
    guard let value = Double(text), value.isFinite else { throw .invalidNumber(offset: start) }
    return .number(value)
  }

  private func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

  private mutating func string() throws(JSONError) -> String {
    let opening = offset
    offset += 1
    let start = offset
    while offset < bytes.count, bytes[offset] != UInt8(ascii: "\""), bytes[offset] != UInt8(ascii: "\\"),
      bytes[offset] >= 0x20
    {
      offset += 1
    }
    var content = Array(bytes[start..<offset])
    while true {
      let byte = try peek()
      offset += 1
      switch byte {
      case UInt8(ascii: "\""):
        guard let text = String(validating: content, as: UTF8.self) else { throw .invalidString(offset: opening) }
        return text
      case UInt8(ascii: "\\"): try escape(into: &content)
      case 0..<0x20: throw .invalidString(offset: offset - 1)
      default: content.append(byte)
      }
    }
  }

  private mutating func escape(into content: inout [UInt8]) throws(JSONError) {
    let byte = try peek()
    offset += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): content.append(byte)
    case UInt8(ascii: "b"): content.append(0x08)
    case UInt8(ascii: "f"): content.append(0x0C)
    case UInt8(ascii: "n"): content.append(0x0A)
    case UInt8(ascii: "r"): content.append(0x0D)
    case UInt8(ascii: "t"): content.append(0x09)
    case UInt8(ascii: "u"): content.append(contentsOf: String(Character(try unicodeEscape())).utf8)
    default: throw .invalidString(offset: offset - 1)
    }
  }

  /// Reads the hexadecimal digits behind `\u`, joining surrogate pairs; a lone surrogate becomes U+FFFD.
  private mutating func unicodeEscape() throws(JSONError) -> Unicode.Scalar {
    let first = try fourHexDigits()
    guard (0xD800..<0xDC00).contains(first) else { return Unicode.Scalar(first) ?? "\u{FFFD}" }
    guard offset + 1 < bytes.count, bytes[offset] == UInt8(ascii: "\\"), bytes[offset + 1] == UInt8(ascii: "u") else {
      return "\u{FFFD}"
    }
    let resume = offset
    offset += 2
    let second = try fourHexDigits()
    guard (0xDC00..<0xE000).contains(second) else {
      offset = resume
      return "\u{FFFD}"
    }
    return Unicode.Scalar(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)) ?? "\u{FFFD}"
  }

  private mutating func fourHexDigits() throws(JSONError) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      let byte = try peek()
      guard let digit = Character(UnicodeScalar(byte)).hexDigitValue else { throw .invalidString(offset: offset) }
      value = value << 4 | UInt32(digit)
      offset += 1
    }
    return value
  }
}
