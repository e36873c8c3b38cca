// SPDX-License-Identifier: Apache-2.0

/// SentencePiece's byte-pair mode as the llama family uses it: the pair whose token has the highest score is joined
/// first; characters without a token become their bytes' tokens.
struct SentencePieceEncoder: Sendable {
  /// Stands for a space inside tokens: U+2581.
  static let space: [UInt8] = [0xE2, 0x96, 0x81]

  let vocabulary: Vocabulary
  let unknown: Int32?
  private let byteTokens: [Int32?]

  init(_ vocabulary: Vocabulary, unknown: Int32?) {
    self.vocabulary = vocabulary
    self.unknown = unknown
    byteTokens = (0..<256).map { vocabulary[Self.byteToken(UInt8($0))] }
  }

  /// How the token of a single byte is spelt: `<0x0A>`.
  static func byteToken(_ byte: UInt8) -> [UInt8] {
    let digits = Array("0123456789ABCDEF".utf8)
    return Array("<0x".utf8) + [digits[Int(byte >> 4)], digits[Int(byte & 15)]] + Array(">".utf8)
  }

  func encode(_ text: Substring.UTF8View, addsSpace: Bool) -> [Int32] {
    var escaped: [UInt8] = addsSpace ? Self.space : []
    for byte in text {
      if byte == 0x20 { escaped += Self.space } else { escaped.append(byte) }
    }
    let characters = Self.characters(escaped)
    var merger = PairMerger<Range<Int>>(characters) { left, right in
      guard let id = vocabulary[escaped[left.lowerBound..<right.upperBound]] else { return nil }
      return .init(priority: -Double(vocabulary.scores[Int(id)]), result: left.lowerBound..<right.upperBound)
    }
    return merger.merged().flatMap { range -> [Int32] in
      if let id = vocabulary[escaped[range]] { return [id] }
      return escaped[range].compactMap { byteTokens[Int($0)] ?? unknown }
    }
  }

  /// The ranges of UTF-8 characters.
  private static func characters(_ bytes: [UInt8]) -> [Range<Int>] {
    var ranges: [Range<Int>] = []
    var start = 0
    for index in bytes.indices.dropFirst() where bytes[index] & 0xC0 != 0x80 {
      ranges.append(start..<index)
      start = index
    }
    if start < bytes.count { ranges.append(start..<bytes.count) }
    return ranges
  }
}
