// SPDX-License-Identifier: Apache-2.0

/// Byte-pair encoding by ranked merges: text is split into words, and each word's symbols are joined by rank.
///
/// The symbols are bytes (GPT-2) or characters with bytes for those that have no token (Llama 2 and Gemma as
/// `tokenizer.json` writes them).
struct BytePairEncoder: Sendable {
  /// What a word is made of before the first merge.
  enum Symbols: Sendable {
    case bytes, characters
  }

  private struct Ranked: JoinRule {
    let merges: PairTable
    func join(_ left: Int32, _ right: Int32, _ range: Range<Int>) -> (priority: Double, result: Int32)? {
      merges[left, right].map { (Double($0.rank), $0.result) }
    }
  }

  let vocabulary: Vocabulary
  let splitter: WordSplitter
  /// A word that is a token needs no merging (Llama 3).
  let takesWholeWords: Bool
  private let symbols: Symbols
  private let rule: Ranked
  private let byteTokens: [Int32?]
  private let unknown: Int32?

  /// - Parameters:
  ///   - merges: the texts of each pair, in their order, as bytes.
  ///   - unknown: stands for a character that has neither token nor bytes.
  init(
    _ vocabulary: Vocabulary, splitter: WordSplitter, merges: MergeList, symbols: Symbols = .bytes,
    takesWholeWords: Bool = false, unknown: Int32? = nil
  ) {
    self.vocabulary = vocabulary
    self.splitter = splitter
    self.takesWholeWords = takesWholeWords
    self.symbols = symbols
    self.unknown = unknown
    rule = Ranked(merges: merges.table(vocabulary))
    byteTokens = (0..<256).map { byte -> Int32? in
      switch symbols {
      case .bytes: vocabulary[[UInt8(byte)]]
      case .characters: vocabulary[SentencePieceEncoder.byteToken(UInt8(byte))]
      }
    }
  }

  /// Appends the tokens of a text.
  func encode(_ text: UnsafeBufferPointer<UInt8>, into ids: inout [Int32]) {
    var merger = PairMerger()
    for range in splitter.words(of: text) {
      let word = UnsafeBufferPointer(rebasing: text[range])
      if takesWholeWords || word.count == 1, let id = vocabulary[word] {
        ids.append(id)
        continue
      }
      merger.reset()
      switch symbols {
      case .bytes: appendBytes(of: word, to: &merger)
      case .characters: appendCharacters(of: word, to: &merger)
      }
      merger.merge(by: rule) { id, _ in ids.append(id) }
    }
  }

  private func appendBytes(of word: UnsafeBufferPointer<UInt8>, to merger: inout PairMerger) {
    for (index, byte) in word.enumerated() {
      if let token = byteTokens[Int(byte)] { merger.append(token, index..<index + 1) }
    }
  }

  private func appendCharacters(of word: UnsafeBufferPointer<UInt8>, to merger: inout PairMerger) {
    UTF8Characters.forEach(word) { range in
      if let token = vocabulary[UnsafeBufferPointer(rebasing: word[range])] {
        merger.append(token, range)
      } else if range.allSatisfy({ byteTokens[Int(word[$0])] != nil }) {
        for index in range { if let token = byteTokens[Int(word[index])] { merger.append(token, index..<index + 1) } }
      } else if let unknown {
        merger.append(unknown, range)
      }
    }
  }
}

/// Ranked pairs of token texts, as files list them.
struct MergeList: Sendable {
  var pairs: [(left: [UInt8], right: [UInt8])] = []

  /// Pairs of tokens with their rank; a merge of something that is no token can never happen and is left out.
  func table(_ vocabulary: Vocabulary) -> PairTable {
    var table = PairTable(capacity: pairs.count)
    for (rank, pair) in pairs.enumerated() {
      guard let left = vocabulary[pair.left], let right = vocabulary[pair.right],
        let joined = vocabulary[pair.left + pair.right]
      else { continue }
      table.add(left, right, .init(rank: Int32(clamping: rank), result: joined))
    }
    return table
  }

  /// Reads `left right`; nil for a line without a separator or outside the alphabet.
  static func pair(_ text: ArraySlice<UInt8>, isByteLevel: Bool) -> (left: [UInt8], right: [UInt8])? {
    // The first byte may itself be the separator's spelling, so the search starts behind it.
    guard let space = text.dropFirst().firstIndex(of: 0x20) else { return nil }
    let (left, right) = (Array(text[..<space]), Array(text[(space + 1)...]))
    guard isByteLevel else { return (left, right) }
    guard let left = ByteAlphabet.bytes(of: left), let right = ByteAlphabet.bytes(of: right) else { return nil }
    return (left, right)
  }
}

/// The characters of UTF-8 bytes.
enum UTF8Characters {
  static func forEach(_ bytes: UnsafeBufferPointer<UInt8>, _ each: (Range<Int>) -> Void) {
    var start = 0
    for index in bytes.indices.dropFirst() where bytes[index] & 0xC0 != 0x80 {
      each(start..<index)
      start = index
    }
    if start < bytes.count { each(start..<bytes.count) }
  }
}
