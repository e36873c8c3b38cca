// SPDX-License-Identifier: Apache-2.0
package import ModelFiles

extension Tokenizer {
  /// Reads the vocabulary of a GGUF file.
  ///
  /// - Parameter path: the file's name, for errors.
  package init(_ metadata: GGUFMetadata, path: String) throws(TokenizerError) {
    guard let model = metadata[TokenizerKeys.model]?.stringValue else {
      throw .missingKey(path: path, key: TokenizerKeys.model)
    }
    guard ["llama", "gpt2", "t5"].contains(model) else {
      throw .unknownKind(path: path, key: TokenizerKeys.model, value: model)
    }
    let vocabulary = try Vocabulary(metadata, path: path, isByteLevel: model == "gpt2")
    func identifier(_ key: String) throws(TokenizerError) -> Int32? {
      guard let value = metadata[key]?.intValue else { return nil }
      guard value >= 0, value < vocabulary.count else {
        throw .inconsistent(path: path, key: key, reason: "\(value) is no token of \(vocabulary.count)")
      }
      return Int32(value)
    }
    var facts = Facts(
      beginOfSequence: try identifier(TokenizerKeys.begin), endOfSequence: try identifier(TokenizerKeys.end),
      endings: [try identifier(TokenizerKeys.endOfTurn)].compactMap { $0 })
    facts.chatTemplate = metadata[TokenizerKeys.chatTemplate]?.stringValue
    facts.addsEndOfSequence = metadata[TokenizerKeys.addEnd]?.boolValue ?? false
    let addsSpace = metadata[TokenizerKeys.addSpace]?.boolValue ?? true
    let unknown = try identifier(TokenizerKeys.unknown)
    // What llama.cpp assumes where a file does not say: the llama family begins with its token, Llama 3's included.
    let encoder: Encoder
    var usuallyBegins = false
    switch model {
    case "llama":
      encoder = .sentencePiece(SentencePieceEncoder(vocabulary, unknown: unknown))
      (facts.spaces, facts.spacePrefix, usuallyBegins) = (.block, addsSpace ? .afterSpecial : .never, true)
    case "t5":
      let dropsSpace = metadata[TokenizerKeys.dropsExtraSpace]?.boolValue ?? true
      encoder = .unigram(UnigramEncoder(vocabulary, unknown: unknown, dropsExtraSpace: dropsSpace))
      (facts.spaces, facts.spacePrefix) = (.block, addsSpace ? .afterSpecial : .never)
      facts.addsEndOfSequence = metadata[TokenizerKeys.addEnd]?.boolValue ?? true
    default:
      let name = metadata[TokenizerKeys.splitter]?.stringValue ?? "default"
      encoder = .bytePairs(try Self.bytePairs(vocabulary, metadata, splitter: name, path: path))
      usuallyBegins = SplitRules.usuallyBegins(name)
    }
    facts.addsBeginOfSequence = metadata[TokenizerKeys.addBegin]?.boolValue ?? usuallyBegins
    self.init(vocabulary, encoder, facts)
  }

  private static func bytePairs(
    _ vocabulary: Vocabulary, _ metadata: GGUFMetadata, splitter name: String, path: String
  ) throws(TokenizerError) -> BytePairEncoder {
    guard let splitter = WordSplitter(name) else {
      throw .unknownKind(path: path, key: TokenizerKeys.splitter, value: name)
    }
    guard let list = metadata[TokenizerKeys.merges]?.arrayValue, list.elementType == .string else {
      throw .missingKey(path: path, key: TokenizerKeys.merges)
    }
    // A line that spells no bytes keeps its rank and joins nothing.
    let pairs = (0..<list.count).map { MergeList.pair(list.utf8(at: $0), isByteLevel: true) ?? (left: [], right: []) }
    return BytePairEncoder(
      vocabulary, splitter: splitter, merges: MergeList(pairs: pairs),
      takesWholeWords: SplitRules.takesWholeWords(name))
  }
}

extension WordSplitter {
  /// By the name that a GGUF file gives it; nil for an unknown one.
  init?(_ name: String) {
    guard let expressions = SplitRules.expressions(name) else { return nil }
    var passes: [Pass] = []
    for expression in expressions {
      guard let pattern = try? ScalarPattern(expression) else { return nil }
      passes.append(Pass(pattern: pattern))
    }
    self.init(passes: passes)
  }
}
