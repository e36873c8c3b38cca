// SPDX-License-Identifier: Apache-2.0

/// SentencePiece's byte-pair mode as the llama family uses it: the pair whose token has the highest score is joined
/// first; characters without a token become their bytes' tokens.
struct SentencePieceEncoder: Sendable {
  /// Stands for a space inside tokens: U+2581.
  static let space: [UInt8] = [0xE2, 0x96, 0x81]

  private struct Scored: JoinRule {
    let vocabulary: Vocabulary
    let text: UnsafeBufferPointer<UInt8>
    func join(_ left: Int32, _ right: Int32, _ range: Range<Int>) -> (priority: Double, result: Int32)? {
      vocabulary[UnsafeBufferPointer(rebasing: text[range])].map { (-Double(vocabulary.scores[Int($0)]), $0) }
    }
  }

  let vocabulary: Vocabulary
  let unknown: Int32?
  private let byteTokens: [Int32?]
  private let isCutAtSpaces: Bool

  init(_ vocabulary: Vocabulary, unknown: Int32?) {
    self.vocabulary = vocabulary
    self.unknown = unknown
    byteTokens = (0..<256).map { vocabulary[Self.byteToken(UInt8($0))] }
    isCutAtSpaces = Self.isCutAtSpaces(vocabulary)
  }

  /// How the token of a single byte is spelt: `<0x0A>`.
  static func byteToken(_ byte: UInt8) -> [UInt8] {
    let digits = Array("0123456789ABCDEF".utf8)
    return Array("<0x".utf8) + [digits[Int(byte >> 4)], digits[Int(byte & 15)]] + Array(">".utf8)
  }

  /// The text with U+2581 for every space, and one in front on demand.
  static func escaped(_ text: UnsafeBufferPointer<UInt8>, addsSpace: Bool) -> [UInt8] {
    var escaped: [UInt8] = []
    escaped.reserveCapacity(text.count * 3 / 2 + space.count)
    if addsSpace { escaped += space }
    for byte in text {
      if byte == 0x20 { escaped += space } else { escaped.append(byte) }
    }
    return escaped
  }

  /// Appends the tokens of a text.
  func encode(_ text: UnsafeBufferPointer<UInt8>, addsSpace: Bool, into ids: inout [Int32]) {
    Self.escaped(text, addsSpace: addsSpace).withUnsafeBufferPointer { escaped in
      var merger = PairMerger()
      var start = 0
      while start < escaped.count {
        let end = isCutAtSpaces ? Self.wordEnd(escaped, from: start) : escaped.count
        encode(UnsafeBufferPointer(rebasing: escaped[start..<end]), &merger, into: &ids)
        start = end
      }
    }
  }

  private func encode(_ word: UnsafeBufferPointer<UInt8>, _ merger: inout PairMerger, into ids: inout [Int32]) {
    merger.reset()
    UTF8Characters.forEach(word) { range in
      merger.append(vocabulary[UnsafeBufferPointer(rebasing: word[range])] ?? -1, range)
    }
    merger.merge(by: Scored(vocabulary: vocabulary, text: word)) { id, range in
      if id >= 0 {
        ids.append(id)
      } else {
        for byte in word[range] { if let token = byteTokens[Int(byte)] ?? unknown { ids.append(token) } }
      }
    }
  }

  private static func isSpace(_ bytes: some RandomAccessCollection<UInt8>, at offset: Int) -> Bool {
    guard offset + space.count <= bytes.count else { return false }
    let index = bytes.index(bytes.startIndex, offsetBy: offset)
    return bytes[index] == space[0] && bytes[bytes.index(index, offsetBy: 1)] == space[1]
      && bytes[bytes.index(index, offsetBy: 2)] == space[2]
  }

  /// No token goes on with a space behind something else, so no join crosses such a place and words can be joined one
  /// by one: the same tokens, and faster than one heap for all of a text.
  static func isCutAtSpaces(_ vocabulary: Vocabulary) -> Bool {
    !(0..<vocabulary.count).contains { hasInnerSpace(vocabulary.bytes(of: $0)) }
  }

  /// Whether a space stands behind something else.
  private static func hasInnerSpace(_ token: ArraySlice<UInt8>) -> Bool {
    var offset = 0
    while isSpace(token, at: offset) { offset += space.count }
    while offset < token.count {
      if isSpace(token, at: offset) { return true }
      offset += 1
    }
    return false
  }

  /// Behind the spaces at the start and what is no space.
  private static func wordEnd(_ text: UnsafeBufferPointer<UInt8>, from start: Int) -> Int {
    var end = start
    while isSpace(text, at: end) { end += space.count }
    while end < text.count, !isSpace(text, at: end) { end += 1 }
    return end
  }
}
