// SPDX-License-Identifier: Apache-2.0
internal import JSONText
package import ModelFiles

extension TokenizerFiles {
  /// What a GGUF file says of the same vocabulary: the inverse of `made(of:path:)`.
  ///
  /// GGUF has no word for a normal form of Unicode, and none for white space that belongs to special tokens: readers of
  /// the file see text as it is.
  /// - Parameter count: rows of the model's embedding; those beyond the vocabulary get tokens that nobody can write.
  /// - Throws: `TokenizerError`; `.notExpressible` for a vocabulary that is neither byte pairs of bytes nor llama's.
  package func metadataPairs(tokens count: Int) throws(TokenizerError) -> [(key: String, value: GGUFValue)] {
    let reader = TokenizerJSON(self)
    let vocabulary = try reader.vocabulary()
    let kind = reader.model["type"]?.stringValue ?? "BPE"
    guard kind == "BPE" else { throw refusal("its kind is '\(kind)'") }
    guard vocabulary.count <= count else {
      throw refusal("it has \(vocabulary.count) tokens, and the model \(count)")
    }
    let facts = try reader.facts(vocabulary)
    var list = TokenList(vocabulary, count: count, isByteLevel: reader.isByteLevel)
    let own = reader.isByteLevel ? try byteLevel(reader, vocabulary, facts) : try characters(reader, facts, &list)
    return list.pairs + own + Self.pairs(of: facts)
  }

  private func refusal(_ reason: String) -> TokenizerError { .notExpressible(path: path, reason: reason) }

  private func byteLevel(
    _ reader: TokenizerJSON, _ vocabulary: Vocabulary, _ facts: Tokenizer.Facts
  ) throws(TokenizerError) -> [(key: String, value: GGUFValue)] {
    guard case .never = facts.spacePrefix else { throw refusal("it puts a space in front of a text") }
    let passes = try reader.splitter(vocabulary).passes
    let takesWholeWords = reader.model["ignore_merges"]?.boolValue ?? false
    let name = SplitRules.publishedNames.first {
      WordSplitter($0)?.passes == passes && SplitRules.takesWholeWords($0) == takesWholeWords
    }
    guard let name else { throw refusal("it cuts text into words in a way that has no name there") }
    return [
      (TokenizerKeys.model, .string("gpt2")), (TokenizerKeys.splitter, .string(name)),
      (TokenizerKeys.merges, .array(GGUFArray(try reader.mergeTexts()))),
    ]
  }

  /// Pairs of characters, and bytes for the rest: llama's kind, where scores say what is joined first.
  private func characters(
    _ reader: TokenizerJSON, _ facts: Tokenizer.Facts, _ list: inout TokenList
  ) throws(TokenizerError) -> [(key: String, value: GGUFValue)] {
    guard reader.model["byte_fallback"]?.boolValue == true, case .block = facts.spaces else {
      throw refusal("its characters have no bytes to fall back to")
    }
    let merges = try reader.mergeTexts()
    let unknown = reader.model["unk_token"]?.stringValue.flatMap { list.texts.firstIndex(of: Array($0.utf8)) }
    if let unknown { list.kinds[unknown] = .unknown }
    let scores = try list.scores(for: merges, refusal: refusal)
    let addsSpace = if case .never = facts.spacePrefix { false } else { true }
    var pairs: [(key: String, value: GGUFValue)] = [
      (TokenizerKeys.model, .string("llama")), (TokenizerKeys.splitter, .string("default")),
      (TokenizerKeys.scores, .array(GGUFArray(scores))), (TokenizerKeys.addSpace, .bool(addsSpace)),
    ]
    if let unknown { pairs.append((TokenizerKeys.unknown, .uint32(UInt32(unknown)))) }
    return pairs
  }

  private static func pairs(of facts: Tokenizer.Facts) -> [(key: String, value: GGUFValue)] {
    var pairs: [(key: String, value: GGUFValue)] = [
      (TokenizerKeys.addBegin, .bool(facts.addsBeginOfSequence)),
      (TokenizerKeys.addEnd, .bool(facts.addsEndOfSequence)),
    ]
    let endOfTurn = facts.endings.first { $0 != facts.endOfSequence }
    for (key, id) in [
      (TokenizerKeys.begin, facts.beginOfSequence), (TokenizerKeys.end, facts.endOfSequence),
      (TokenizerKeys.endOfTurn, endOfTurn),
    ] {
      if let id { pairs.append((key, .uint32(UInt32(id)))) }
    }
    if let template = facts.chatTemplate { pairs.append((TokenizerKeys.chatTemplate, .string(template))) }
    return pairs
  }
}

/// A vocabulary as a GGUF file spells it.
private struct TokenList {
  var texts: [[UInt8]]
  var kinds: [Vocabulary.Kind]

  /// Every row of the embedding has a token.
  init(_ vocabulary: Vocabulary, count: Int, isByteLevel: Bool) {
    kinds = vocabulary.kinds + [Vocabulary.Kind](repeating: .unused, count: count - vocabulary.count)
    texts = (0..<count).map { index in
      let text = index < vocabulary.count ? Array(vocabulary.bytes(of: index)) : []
      if text.isEmpty { return Array("[PAD\(index)]".utf8) }
      return isByteLevel && vocabulary.kinds[index] == .normal ? ByteAlphabet.spelling(of: text) : text
    }
    for index in 0..<vocabulary.count where vocabulary.bytes(of: index).isEmpty { kinds[index] = .unused }
  }

  var pairs: [(key: String, value: GGUFValue)] {
    [
      (TokenizerKeys.tokens, .array(GGUFArray(utf8: texts))),
      (TokenizerKeys.types, .array(GGUFArray(kinds.map { Int32($0.rawValue) }))),
    ]
  }

  /// Scores by which the pairs are joined in the order of the merges.
  ///
  /// A score belongs to a result: it says the same as the list only where all pairs of a result stand together, and where
  /// no two tokens make a third without being listed.
  func scores(for merges: [String], refusal: (String) -> TokenizerError) throws(TokenizerError) -> [Float] {
    var ranks: [String: Int] = [:]
    var last: String?
    for merge in merges {
      let result = merge.split(separator: " ", maxSplits: 1).joined()
      guard result != last else { continue }
      guard ranks[result] == nil else { throw refusal("its merges to '\(result)' have others between them") }
      ranks[result] = ranks.count
      last = result
    }
    let tokens = texts.map { String(decoding: $0, as: UTF8.self) }
    let scores = zip(tokens, kinds).map { $1 == .normal ? -Float(ranks[$0] ?? ranks.count) : 0 }
    let listed = Set(merges)
    let possible = TokenizerFiles.merges(tokens, scores: scores, kinds: kinds.map(\.rawValue))
    if let missing = possible.first(where: { !listed.contains($0) }) {
      throw refusal("it never joins '\(missing)', whose result is a token")
    }
    return scores
  }
}
