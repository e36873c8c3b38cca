// SPDX-License-Identifier: Apache-2.0
internal import JSONText
package import ModelFiles

extension Tokenizer {
  /// Reads the vocabulary of a checkpoint's `tokenizer.json`.
  ///
  /// Byte-pair encoding (of bytes, or of characters with bytes for the rest) and unigram are known. Of the normalisers
  /// those are applied that make a normal form of Unicode, and those that write spaces.
  package init(_ files: TokenizerFiles) throws(TokenizerError) {
    let reader = TokenizerJSON(files)
    let vocabulary = try reader.vocabulary()
    var facts = try reader.facts(vocabulary)
    let encoder: Encoder
    switch reader.model["type"]?.stringValue ?? "BPE" {
    case "BPE":
      let pairs = try reader.bytePairs(vocabulary)
      encoder = .bytePairs(pairs)
    case "Unigram":
      let unknown = reader.model["unk_id"]?.intValue.map { Int32(clamping: $0) }
      encoder = .unigram(UnigramEncoder(vocabulary, unknown: unknown, dropsExtraSpace: reader.dropsExtraSpace))
      facts.spaces = .block
    case let other: throw .unknownKind(path: files.path, key: "model.type", value: other)
    }
    self.init(vocabulary, encoder, facts)
  }
}

/// The parts of a `tokenizer.json` and of the files beside it.
struct TokenizerJSON {
  let files: TokenizerFiles
  let model: JSON
  /// The steps before the split, sequences in sequences laid out.
  private let normalizers: [JSON]
  private let splitters: [JSON]

  init(_ files: TokenizerFiles) {
    self.files = files
    model = files.tokenizer["model"] ?? .null
    normalizers = Self.steps(files.tokenizer["normalizer"], "normalizers")
    splitters = Self.steps(files.tokenizer["pre_tokenizer"], "pretokenizers")
  }

  private static func steps(_ json: JSON?, _ key: String) -> [JSON] {
    guard let json, !json.isNull else { return [] }
    guard json["type"]?.stringValue == "Sequence" else { return [json] }
    return (json[key]?.arrayValue ?? []).flatMap { steps($0, key) }
  }

  private var path: String { files.path }

  private func damaged(_ key: String, _ reason: String) -> TokenizerError {
    .inconsistent(path: path, key: key, reason: reason)
  }

  /// Tokens spell bytes in GPT-2's alphabet.
  var isByteLevel: Bool {
    splitters.contains { $0["type"]?.stringValue == "ByteLevel" }
      || Self.steps(files.tokenizer["decoder"], "decoders").contains { $0["type"]?.stringValue == "ByteLevel" }
  }

  /// Spaces are spelt U+2581.
  private var usesBlocks: Bool {
    normalizers.contains { $0["type"]?.stringValue == "Replace" && $0["content"]?.stringValue == "▁" }
      || splitters.contains { $0["type"]?.stringValue == "Metaspace" }
  }

  /// What T5's vocabularies do with runs of spaces.
  var dropsExtraSpace: Bool {
    normalizers.contains { ["Strip", "Precompiled"].contains($0["type"]?.stringValue) }
  }

  // MARK: Vocabulary

  private struct Entry {
    var text: [UInt8] = []
    var score: Float = 0
    var kind = Vocabulary.Kind.unused
  }

  func vocabulary() throws(TokenizerError) -> Vocabulary {
    var entries: [Entry] = []
    func put(_ id: Int, _ entry: Entry) throws(TokenizerError) {
      // A gap of ids holds tokens that nobody can write; a few padded vocabularies have some.
      guard id >= 0, id < entries.count + (1 << 20) else { throw damaged("model.vocab", "\(id) is no token's number") }
      while entries.count <= id { entries.append(Entry()) }
      entries[id] = entry
    }
    if let members = model["vocab"]?.members {
      // In the order of their numbers, so that no gap is larger than it is in the end.
      for member in members.sorted(by: { ($0.value.intValue ?? -1) < ($1.value.intValue ?? -1) }) {
        try put(member.value.intValue ?? -1, Entry(text: bytes(member.key), kind: kind(member.key)))
      }
    } else if let pieces = model["vocab"]?.arrayValue {
      for (id, piece) in pieces.enumerated() {
        guard let text = piece.arrayValue?.first?.stringValue, let score = piece.arrayValue?.last?.doubleValue else {
          throw damaged("model.vocab", "entry \(id) is no piece with a score")
        }
        try put(id, Entry(text: Array(text.utf8), score: Float(score), kind: kind(text)))
      }
    } else {
      throw .missingKey(path: path, key: "model.vocab")
    }
    for token in files.tokenizer["added_tokens"]?.arrayValue ?? [] {
      guard let id = token["id"]?.intValue, let text = token["content"]?.stringValue else {
        throw damaged("added_tokens", "an entry has no id or content")
      }
      let isSpecial = token["special"]?.boolValue ?? false
      try put(id, Entry(text: Array(text.utf8), kind: isSpecial ? .control : .userDefined))
    }
    guard !entries.isEmpty else { throw damaged("model.vocab", "it has no tokens") }
    return Vocabulary(bytes: entries.map(\.text), scores: entries.map(\.score), kinds: entries.map(\.kind))
  }

  private func bytes(_ token: String) -> [UInt8] {
    isByteLevel ? ByteAlphabet.bytes(of: token.utf8) ?? Array(token.utf8) : Array(token.utf8)
  }

  private func kind(_ token: String) -> Vocabulary.Kind {
    guard model["byte_fallback"]?.boolValue == true, Tokenizer.byte(Array(token.utf8)) != nil else { return .normal }
    return .byte
  }

  // MARK: Byte pairs

  func bytePairs(_ vocabulary: Vocabulary) throws(TokenizerError) -> BytePairEncoder {
    guard let list = model["merges"]?.arrayValue else { throw .missingKey(path: path, key: "model.merges") }
    let isByteLevel = self.isByteLevel
    // A line that spells no bytes keeps its rank and joins nothing.
    let pairs = list.map { pair($0, isByteLevel) ?? (left: [], right: []) }
    let unknown = model["unk_token"]?.stringValue.flatMap { vocabulary[Array($0.utf8)] }
    return BytePairEncoder(
      vocabulary, splitter: try splitter(vocabulary), merges: MergeList(pairs: pairs),
      symbols: isByteLevel ? .bytes : .characters, takesWholeWords: model["ignore_merges"]?.boolValue ?? false,
      unknown: unknown)
  }

  /// A merge is written `"left right"`, in newer files `["left", "right"]`.
  private func pair(_ json: JSON, _ isByteLevel: Bool) -> (left: [UInt8], right: [UInt8])? {
    if let text = json.stringValue { return MergeList.pair(Array(text.utf8)[...], isByteLevel: isByteLevel) }
    guard let parts = json.arrayValue, parts.count == 2, let left = parts[0].stringValue,
      let right = parts[1].stringValue
    else { return nil }
    return (bytes(left), bytes(right))
  }

  /// Each as `"left right"`, the first one first.
  func mergeTexts() throws(TokenizerError) -> [String] {
    guard let list = model["merges"]?.arrayValue else { throw .missingKey(path: path, key: "model.merges") }
    return list.map { $0.stringValue ?? $0.arrayValue?.compactMap(\.stringValue).joined(separator: " ") ?? "" }
  }

  func splitter(_ vocabulary: Vocabulary) throws(TokenizerError) -> WordSplitter {
    var passes: [WordSplitter.Pass] = []
    for step in splitters { passes += try self.passes(step) }
    // Without a split of its own, a text in which no token goes on behind a space is joined word by word.
    if passes.isEmpty, usesBlocks, SentencePieceEncoder.isCutAtSpaces(vocabulary) {
      passes = [try pass("▁+[^▁]*|[^▁]+")]
    }
    return WordSplitter(passes: passes)
  }

  private func pass(
    _ expression: String, _ cut: WordSplitter.Cut = .isolated
  ) throws(TokenizerError) -> WordSplitter.Pass {
    do throws(ScalarPatternError) {
      return WordSplitter.Pass(pattern: try ScalarPattern(expression), cut: cut)
    } catch {
      throw .unknownKind(path: path, key: "pre_tokenizer", value: expression)
    }
  }

  private func passes(_ step: JSON) throws(TokenizerError) -> [WordSplitter.Pass] {
    switch step["type"]?.stringValue ?? "" {
    case "ByteLevel": return step["use_regex"]?.boolValue == false ? [] : [try pass(SplitRules.gpt2)]
    case "Metaspace": return []
    case "Digits": return [try pass(step["individual_digits"]?.boolValue == true ? #"\p{N}"# : #"\p{N}+"#)]
    case "Punctuation": return [try pass(contiguous(#"[\p{P}!-/:-@\[-`{-~]"#, step), try cut(step))]
    case "WhitespaceSplit": return [try pass(#"\s+"#, .removed)]
    case "Split": return [try split(step)]
    case let other: throw .unknownKind(path: path, key: "pre_tokenizer", value: other)
    }
  }

  private func split(_ step: JSON) throws(TokenizerError) -> WordSplitter.Pass {
    if let expression = step["pattern"]?["Regex"]?.stringValue {
      // Matches are what is kept or what is dropped; between them there is nothing in the published expressions.
      let isInverted = step["invert"]?.boolValue ?? false
      return try pass(contiguous(expression, step), isInverted ? .isolated : try cut(step))
    }
    guard let literal = step["pattern"]?["String"]?.stringValue else {
      throw .missingKey(path: path, key: "pre_tokenizer.pattern")
    }
    let escaped = literal.unicodeScalars.map { "\\x{\(String($0.value, radix: 16))}" }.joined()
    return try pass(contiguous(escaped, step), try cut(step))
  }

  /// Neighbouring matches are one where the file says so.
  private func contiguous(_ expression: String, _ step: JSON) -> String {
    step["behavior"]?.stringValue == "Contiguous" ? "(?:\(expression))+" : expression
  }

  private func cut(_ step: JSON) throws(TokenizerError) -> WordSplitter.Cut {
    switch step["behavior"]?.stringValue ?? "Isolated" {
    case "Isolated", "Contiguous": .isolated
    case "Removed": .removed
    case "MergedWithPrevious": .joinedToPrevious
    case "MergedWithNext": .joinedToNext
    case let other: throw .unknownKind(path: path, key: "pre_tokenizer.behavior", value: other)
    }
  }

  // MARK: Facts

  func facts(_ vocabulary: Vocabulary) throws(TokenizerError) -> Tokenizer.Facts {
    func identifier(_ key: String) -> Int32? {
      let entry = files.configuration?[key]
      let text = entry?.stringValue ?? entry?["content"]?.stringValue
      return text.flatMap { vocabulary[Array($0.utf8)] }
    }
    var facts = Tokenizer.Facts()
    facts.beginOfSequence = identifier("bos_token")
    facts.endOfSequence = identifier("eos_token")
    let endings = files.generation?["eos_token_id"]
    facts.endings = (endings?.arrayValue ?? [endings].compactMap { $0 }).compactMap(\.intValue)
      .filter { (0..<vocabulary.count).contains($0) }.map { Int32($0) }
    let frame = self.frame
    facts.beginOfSequence = facts.beginOfSequence ?? frame.before
    facts.addsBeginOfSequence = frame.before != nil && frame.before == facts.beginOfSequence
    facts.addsEndOfSequence = frame.after != nil && frame.after == facts.endOfSequence
    if let adds = files.configuration?["add_bos_token"]?.boolValue { facts.addsBeginOfSequence = adds }
    if let adds = files.configuration?["add_eos_token"]?.boolValue { facts.addsEndOfSequence = adds }
    facts.spaces = usesBlocks ? .block : .plain
    facts.spacePrefix = spacePrefix
    facts.doublesSpace = normalizers.contains { $0["type"]?.stringValue == "Prepend" }
    facts.form = normalizers.compactMap { NormalForm(rawValue: $0["type"]?.stringValue ?? "") }.last
    facts.manners = manners
    facts.chatTemplate = files.chatTemplate ?? chatTemplate
    return facts
  }

  /// The tokens that the post-processor puts around a text.
  private var frame: (before: Int32?, after: Int32?) {
    let processors = Self.steps(files.tokenizer["post_processor"], "processors")
    guard let template = processors.first(where: { $0["type"]?.stringValue == "TemplateProcessing" }),
      let parts = template["single"]?.arrayValue
    else { return (nil, nil) }
    func token(_ part: JSON?) -> Int32? {
      guard let name = part?["SpecialToken"]?["id"]?.stringValue else { return nil }
      return template["special_tokens"]?[name]?["ids"]?.arrayValue?.first?.intValue.map { Int32(clamping: $0) }
    }
    return (token(parts.first), token(parts.last))
  }

  private var spacePrefix: Tokenizer.SpacePrefix {
    if normalizers.contains(where: { $0["type"]?.stringValue == "Prepend" }) { return .afterSpecial }
    for step in splitters {
      if step["type"]?.stringValue == "ByteLevel", step["add_prefix_space"]?.boolValue == true { return .afterSpecial }
      guard step["type"]?.stringValue == "Metaspace" else { continue }
      switch step["prepend_scheme"]?.stringValue {
      case "never": return .never
      case "first": return .first
      case nil: return step["add_prefix_space"]?.boolValue == false ? .never : .afterSpecial
      default: return .afterSpecial
      }
    }
    return .never
  }

  private var manners: [Int32: SpecialTokens.Manner] {
    var result: [Int32: SpecialTokens.Manner] = [:]
    for token in files.tokenizer["added_tokens"]?.arrayValue ?? [] {
      let manner = SpecialTokens.Manner(
        takesSpaceBefore: token["lstrip"]?.boolValue ?? false, takesSpaceBehind: token["rstrip"]?.boolValue ?? false)
      guard manner.takesSpaceBefore || manner.takesSpaceBehind, let id = token["id"]?.intValue else { continue }
      result[Int32(clamping: id)] = manner
    }
    return result
  }

  /// A text, or several with names of which `default` is meant.
  private var chatTemplate: String? {
    let entry = files.configuration?["chat_template"]
    if let text = entry?.stringValue { return text }
    let named = entry?.arrayValue ?? []
    return (named.first { $0["name"]?.stringValue == "default" } ?? named.first)?["template"]?.stringValue
  }
}
