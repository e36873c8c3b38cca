// SPDX-License-Identifier: Apache-2.0

/// SentencePiece's unigram mode: of all ways to cut a text into tokens, the one with the greatest sum of scores
/// (Viterbi; arXiv 1804.10959).
///
/// The normalisation of characters that some of these vocabularies carry (`precompiled_charsmap`, mostly NFKC) is not
/// applied: text that is in that form already gives the same tokens.
struct UnigramEncoder: Sendable {
  /// Longer tokens are never tried; the longest published have some 60 bytes.
  private static let longest = 256
  /// What an unknown character costs below the worst token, as SentencePiece has it.
  private static let unknownPenalty = 10.0

  let vocabulary: Vocabulary
  let unknown: Int32?
  /// Runs of spaces count as one, those at the ends not at all.
  let dropsExtraSpace: Bool
  private let byteTokens: [Int32?]
  private let maximumLength: Int
  private let unknownScore: Double

  private struct Step {
    var score = -Double.infinity
    var previous = 0
    var token: Int32 = -1
  }

  init(_ vocabulary: Vocabulary, unknown: Int32?, dropsExtraSpace: Bool) {
    self.vocabulary = vocabulary
    self.unknown = unknown
    self.dropsExtraSpace = dropsExtraSpace
    byteTokens = (0..<256).map { vocabulary[SentencePieceEncoder.byteToken(UInt8($0))] }
    maximumLength = min(Self.longest, (0..<vocabulary.count).map { vocabulary.bytes(of: $0).count }.max() ?? 0)
    unknownScore = Double(vocabulary.scores.filter(\.isFinite).min() ?? 0) - Self.unknownPenalty
  }

  /// Appends the tokens of a text.
  func encode(_ text: UnsafeBufferPointer<UInt8>, addsSpace: Bool, into ids: inout [Int32]) {
    let kept = dropsExtraSpace ? Self.withoutExtraSpace(text) : Array(text)
    guard !kept.isEmpty else { return }
    kept.withUnsafeBufferPointer { kept in
      SentencePieceEncoder.escaped(kept, addsSpace: addsSpace).withUnsafeBufferPointer { append($0, to: &ids) }
    }
  }

  private static func withoutExtraSpace(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8] {
    var result: [UInt8] = []
    for byte in text where byte != 0x20 || (result.last ?? 0x20) != 0x20 { result.append(byte) }
    if result.last == 0x20 { result.removeLast() }
    return result
  }

  private func append(_ text: UnsafeBufferPointer<UInt8>, to ids: inout [Int32]) {
    var steps = [Step](repeating: Step(), count: text.count + 1)
    steps[0].score = 0
    UTF8Characters.forEach(text) { character in extend(from: character, text, &steps) }
    var pieces: [(token: Int32, range: Range<Int>)] = []
    var end = text.count
    while end > 0 {
      pieces.append((steps[end].token, steps[end].previous..<end))
      end = steps[end].previous
    }
    write(pieces.reversed(), text, to: &ids)
  }

  /// Tries every token that begins where a character does.
  private func extend(from character: Range<Int>, _ text: UnsafeBufferPointer<UInt8>, _ steps: inout [Step]) {
    let start = character.lowerBound
    let score = steps[start].score
    var end = character.upperBound
    var isFirst = true
    while end - start <= maximumLength || isFirst {
      let id = vocabulary[UnsafeBufferPointer(rebasing: text[start..<end])]
      let known = id.flatMap { isText($0) ? Double(vocabulary.scores[Int($0)]) : nil }
      if let candidate = (known ?? (isFirst ? unknownScore : nil)).map({ score + $0 }), candidate > steps[end].score {
        steps[end] = Step(score: candidate, previous: start, token: known == nil ? -1 : id ?? -1)
      }
      guard end < text.count else { return }
      isFirst = false
      end += 1
      while end < text.count, text[end] & 0xC0 == 0x80 { end += 1 }
    }
  }

  private func isText(_ id: Int32) -> Bool {
    let kind = vocabulary.kinds[Int(id)]
    return kind == .normal || kind == .userDefined
  }

  /// Unknown characters become their bytes; without byte tokens a run of them is one unknown token.
  private func write(
    _ pieces: some Sequence<(token: Int32, range: Range<Int>)>, _ text: UnsafeBufferPointer<UInt8>,
    to ids: inout [Int32]
  ) {
    var isAfterUnknown = false
    for piece in pieces {
      let bytes = text[piece.range]
      if piece.token >= 0 {
        ids.append(piece.token)
      } else if bytes.allSatisfy({ byteTokens[Int($0)] != nil }) {
        ids += bytes.compactMap { byteTokens[Int($0)] }
      } else if let unknown, !isAfterUnknown {
        ids.append(unknown)
      }
      isAfterUnknown = piece.token < 0
    }
  }
}
