// SPDX-License-Identifier: Apache-2.0

/// A piece of a template.
struct JinjaToken: Equatable {
  enum Kind: Equatable {
    case text(String)
    case beginStatement, endStatement, beginOutput, endOutput
    case name(String)
    case string(String)
    case integer(Int)
    case number(Double)
    case symbol(String)
    case end
  }

  var kind: Kind
  var line: Int
}

/// Cuts a template into text and the tokens of its tags.
///
/// White space follows what chat templates are written for: a line feed behind a statement goes (`trim_blocks`), and
/// so does the indentation in front of one (`lstrip_blocks`); `-` takes all white space on its side, `+` keeps it.
struct JinjaLexer {
  private let source: [UInt8]
  private var offset = 0
  private var line = 1
  private var tokens: [JinjaToken] = []
  /// Whether the text that follows begins a line.
  private var startsLine = true
  private var stripsNext = false

  init(_ template: String) {
    var bytes: [UInt8] = []
    for byte in template.utf8 {
      if byte == 0x0A, bytes.last == 0x0D { bytes.removeLast() }
      bytes.append(byte)
    }
    if bytes.last == 0x0A { bytes.removeLast() }
    source = bytes
  }

  mutating func tokenized() throws(JinjaError) -> [JinjaToken] {
    while offset < source.count {
      let end = nextTag()
      appendText(upTo: end)
      guard end < source.count else { break }
      switch source[end + 1] {
      case UInt8(ascii: "#"): try skipComment()
      case UInt8(ascii: "%"): try statement()
      default: try output()
      }
    }
    tokens.append(JinjaToken(kind: .end, line: line))
    return tokens
  }

  private func byte(_ index: Int) -> UInt8? { index < source.count ? source[index] : nil }

  private func nextTag() -> Int {
    var index = offset
    while index + 1 < source.count {
      if source[index] == UInt8(ascii: "{"),
        [UInt8(ascii: "{"), UInt8(ascii: "%"), UInt8(ascii: "#")].contains(source[index + 1])
      {
        return index
      }
      index += 1
    }
    return source.count
  }

  /// The text in front of a tag, without the white space that the tags on both sides take.
  private mutating func appendText(upTo end: Int) {
    var start = offset
    var stop = end
    if stripsNext { while start < stop, Self.isSpace(source[start]) { start += 1 } }
    stripsNext = false
    if start > offset { startsLine = source[start - 1] == 0x0A }
    if let sign = byte(end + 2), end < source.count {
      if sign == UInt8(ascii: "-") {
        while stop > start, Self.isSpace(source[stop - 1]) { stop -= 1 }
      } else if sign != UInt8(ascii: "+"), source[end + 1] != UInt8(ascii: "{") {
        stop = indentationStart(from: start, to: stop)
      }
    }
    line += source[offset..<end].count { $0 == 0x0A }
    if start < stop {
      tokens.append(JinjaToken(kind: .text(String(decoding: source[start..<stop], as: UTF8.self)), line: line))
    }
    if end > start { startsLine = source[end - 1] == 0x0A }
    offset = end
  }

  /// Where the indentation in front of a statement begins; the end when something else is on the line.
  private func indentationStart(from start: Int, to end: Int) -> Int {
    var index = end
    while index > start, Self.isSpace(source[index - 1]), source[index - 1] != 0x0A { index -= 1 }
    let begins = index > start ? source[index - 1] == 0x0A : startsLine
    return begins ? index : end
  }

  private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }

  private mutating func skipComment() throws(JinjaError) {
    var index = offset + 2
    while index + 1 < source.count, source[index] != UInt8(ascii: "#") || source[index + 1] != UInt8(ascii: "}") {
      index += 1
    }
    guard index + 1 < source.count else { throw syntax("a comment without end", "'#}'") }
    line += source[offset..<index].count { $0 == 0x0A }
    let sign = source[index - 1]
    offset = index + 2
    closeTag(sign: sign, isStatement: true)
  }

  /// What a tag's end does to the text behind it.
  private mutating func closeTag(sign: UInt8, isStatement: Bool) {
    startsLine = false
    stripsNext = sign == UInt8(ascii: "-")
    guard isStatement, !stripsNext, sign != UInt8(ascii: "+"), byte(offset) == 0x0A else { return }
    offset += 1
    line += 1
    startsLine = true
  }

  private mutating func skipOpening() {
    offset += 2
    if let sign = byte(offset), sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") { offset += 1 }
  }

  private mutating func output() throws(JinjaError) {
    tokens.append(JinjaToken(kind: .beginOutput, line: line))
    skipOpening()
    try inside(closing: UInt8(ascii: "}"))
    tokens.append(JinjaToken(kind: .endOutput, line: line))
  }

  private mutating func statement() throws(JinjaError) {
    let first = tokens.count
    tokens.append(JinjaToken(kind: .beginStatement, line: line))
    skipOpening()
    try inside(closing: UInt8(ascii: "%"))
    tokens.append(JinjaToken(kind: .endStatement, line: line))
    guard tokens.count == first + 3, tokens[first + 1].kind == .name("raw") else { return }
    tokens.removeLast(3)
    try raw()
  }

  /// Text up to `endraw`, whatever it holds.
  private mutating func raw() throws(JinjaError) {
    var tag = offset
    while tag + 1 < source.count {
      guard let end = endOfRaw(at: tag) else {
        tag += 1
        continue
      }
      appendText(upTo: tag)
      let sign = source[end - 3]
      offset = end
      return closeTag(sign: sign, isStatement: true)
    }
    throw syntax("the end", "'endraw'")
  }

  /// Behind the `{% endraw %}` that begins here; nil when none does.
  private func endOfRaw(at place: Int) -> Int? {
    guard source[place] == UInt8(ascii: "{"), source[place + 1] == UInt8(ascii: "%") else { return nil }
    var ahead = self
    ahead.offset = place
    ahead.tokens = []
    ahead.skipOpening()
    guard (try? ahead.inside(closing: UInt8(ascii: "%"))) != nil, ahead.tokens.map(\.kind) == [.name("endraw")] else {
      return nil
    }
    return ahead.offset - (ahead.startsLine ? 1 : 0)
  }

  /// The tokens of a tag, up to and with its end.
  private mutating func inside(closing: UInt8) throws(JinjaError) {
    var open: [UInt8] = []
    while let next = byte(offset) {
      let signed = next == UInt8(ascii: "-") || next == UInt8(ascii: "+")
      let place = signed ? offset + 1 : offset
      if open.isEmpty, byte(place) == closing, byte(place + 1) == UInt8(ascii: "}") {
        offset = place + 2
        return closeTag(sign: signed ? next : 0, isStatement: closing == UInt8(ascii: "%"))
      }
      try token(next, &open)
    }
    throw syntax("the end", "the end of a tag")
  }

  private mutating func token(_ next: UInt8, _ open: inout [UInt8]) throws(JinjaError) {
    switch next {
    case 0x0A:
      line += 1
      offset += 1
    case 0x09...0x0D, 0x20: offset += 1
    case UInt8(ascii: "'"), UInt8(ascii: "\""): try string(quote: next)
    case UInt8(ascii: "0")...UInt8(ascii: "9"): number()
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"): name()
    default: try symbol(next, &open)
    }
  }

  private mutating func symbol(_ next: UInt8, _ open: inout [UInt8]) throws(JinjaError) {
    let pairs = ["==", "!=", "<=", ">=", "//", "**"]
    let pair = offset + 1 < source.count ? String(decoding: source[offset...offset + 1], as: UTF8.self) : ""
    if pairs.contains(pair) { return append(.symbol(pair), length: 2) }
    let single = String(decoding: [next], as: UTF8.self)
    guard "+-*/%~|.,:()[]{}<>=".utf8.contains(next) else { throw syntax("'\(single)'", "an expression") }
    if "([{".utf8.contains(next) { open.append(next) }
    if ")]}".utf8.contains(next), open.popLast() == nil { throw syntax("'\(single)'", "the end of a tag") }
    append(.symbol(single), length: 1)
  }

  private mutating func append(_ kind: JinjaToken.Kind, length: Int) {
    tokens.append(JinjaToken(kind: kind, line: line))
    offset += length
  }

  private mutating func name() {
    var end = offset
    while let next = byte(end), Self.isWord(next) { end += 1 }
    append(.name(String(decoding: source[offset..<end], as: UTF8.self)), length: end - offset)
  }

  private static func isWord(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: "_") || (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte & ~0x20)
  }

  private mutating func number() {
    var end = digits(from: offset)
    var isWhole = true
    if byte(end) == UInt8(ascii: "."), digits(from: end + 1) > end + 1 {
      end = digits(from: end + 1)
      isWhole = false
    }
    if byte(end).map({ $0 | 0x20 }) == UInt8(ascii: "e") {
      let signed = byte(end + 1) == UInt8(ascii: "-") || byte(end + 1) == UInt8(ascii: "+") ? end + 2 : end + 1
      if digits(from: signed) > signed {
        end = digits(from: signed)
        isWhole = false
      }
    }
    let text = String(decoding: source[offset..<end], as: UTF8.self)
    append(isWhole ? .integer(Int(text) ?? .max) : .number(Double(text) ?? .infinity), length: end - offset)
  }

  /// Where the digits from a place end.
  private func digits(from start: Int) -> Int {
    var end = start
    while let next = byte(end), (0x30...0x39).contains(next) { end += 1 }
    return end
  }

  private mutating func string(quote: UInt8) throws(JinjaError) {
    let first = line
    var bytes: [UInt8] = []
    offset += 1
    while let next = byte(offset), next != quote {
      offset += 1
      if next == 0x0A { line += 1 }
      if next == UInt8(ascii: "\\") { escape(into: &bytes) } else { bytes.append(next) }
    }
    guard offset < source.count else {
      throw .syntax(line: first, found: "a string without end", expected: "its quote")
    }
    offset += 1
    tokens.append(JinjaToken(kind: .string(String(decoding: bytes, as: UTF8.self)), line: first))
  }

  private mutating func escape(into bytes: inout [UInt8]) {
    guard let next = byte(offset) else { return }
    offset += 1
    switch next {
    case UInt8(ascii: "n"): bytes.append(0x0A)
    case UInt8(ascii: "t"): bytes.append(0x09)
    case UInt8(ascii: "r"): bytes.append(0x0D)
    case UInt8(ascii: "\\"), UInt8(ascii: "'"), UInt8(ascii: "\""): bytes.append(next)
    case UInt8(ascii: "u"), UInt8(ascii: "x"):
      let length = next == UInt8(ascii: "u") ? 4 : 2
      let digits = source[offset..<min(offset + length, source.count)]
      guard let value = UInt32(String(decoding: digits, as: UTF8.self), radix: 16), let scalar = Unicode.Scalar(value)
      else { return bytes += [UInt8(ascii: "\\"), next] }
      bytes += String(Character(scalar)).utf8
      offset += length
    default: bytes += [UInt8(ascii: "\\"), next]
    }
  }

  private func syntax(_ found: String, _ expected: String) -> JinjaError {
    .syntax(line: line, found: found, expected: expected)
  }
}
