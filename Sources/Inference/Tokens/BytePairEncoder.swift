// SPDX-License-Identifier: Apache-2.0
internal import ModelFiles

/// Byte-level byte-pair encoding (GPT-2): text is split into words, and each word's bytes are joined by the merges' ranks.
struct BytePairEncoder: Sendable {
  private struct Merge {
    var rank: Int32
    var result: Int32
  }

  let vocabulary: Vocabulary
  let splitter: WordSplitter
  private let merges: [UInt64: Merge]
  private let byteTokens: [Int32?]

  /// - Throws: `TokenizerError` when the merges are missing.
  init(_ vocabulary: Vocabulary, _ metadata: GGUFMetadata, path: String) throws(TokenizerError) {
    self.vocabulary = vocabulary
    let name = metadata[TokenizerKeys.splitter]?.stringValue ?? "default"
    guard let splitter = WordSplitter(name) else {
      throw .unknownKind(path: path, key: TokenizerKeys.splitter, value: name)
    }
    self.splitter = splitter
    guard let list = metadata[TokenizerKeys.merges]?.arrayValue, list.elementType == .string else {
      throw .missingKey(path: path, key: TokenizerKeys.merges)
    }
    byteTokens = (0..<256).map { vocabulary[[UInt8($0)]] }
    merges = Self.merges(list, vocabulary)
  }

  /// Pairs of tokens with their rank; a merge of something that is no token can never happen and is left out.
  private static func merges(_ list: GGUFArray, _ vocabulary: Vocabulary) -> [UInt64: Merge] {
    var result: [UInt64: Merge] = [:]
    result.reserveCapacity(list.count)
    for rank in 0..<list.count {
      let text = list.utf8(at: rank)
      // The first byte may itself be the separator's spelling, so the search starts behind it.
      guard let space = text.dropFirst().firstIndex(of: 0x20) else { continue }
      guard let left = ByteAlphabet.bytes(of: Array(text[..<space])),
        let right = ByteAlphabet.bytes(of: Array(text[(space + 1)...])), let leftID = vocabulary[left],
        let rightID = vocabulary[right], let joined = vocabulary[left + right]
      else { continue }
      let key = Self.key(leftID, rightID)
      if result[key] == nil { result[key] = Merge(rank: Int32(clamping: rank), result: joined) }
    }
    return result
  }

  private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
    UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
  }

  func encode(_ text: Substring) -> [Int32] {
    var ids: [Int32] = []
    for word in splitter.words(of: text) { ids += encode(word: word) }
    return ids
  }

  private func encode(word: [UInt8]) -> [Int32] {
    if splitter.takesWholeWords, let id = vocabulary[word] { return [id] }
    let symbols = word.compactMap { byteTokens[Int($0)] }
    guard symbols.count > 1 else { return symbols }
    var merger = PairMerger<Int32>(symbols) { left, right in
      merges[Self.key(left, right)].map { .init(priority: Double($0.rank), result: $0.result) }
    }
    return merger.merged()
  }
}
