// SPDX-License-Identifier: Apache-2.0
package import JSONText
package import ModelFiles

extension TokenizerFiles {
  /// The files of a checkpoint's vocabulary that say the same as a GGUF file's metadata, by their names.
  ///
  /// - Throws: `TokenizerError.unknownKind` for a kind other than byte pairs and llama's.
  package static func made(
    of metadata: GGUFMetadata, path: String
  ) throws(TokenizerError) -> [(name: String, json: JSON)] {
    guard let tokens = metadata[TokenizerKeys.tokens]?.arrayValue?.strings else {
      throw .missingKey(path: path, key: TokenizerKeys.tokens)
    }
    let model = metadata[TokenizerKeys.model]?.stringValue ?? ""
    var members: [JSON.Member] = [.init("version", "1.0"), .init("added_tokens", .array(added(tokens, metadata)))]
    switch model {
    case "gpt2": members += try byteLevel(tokens, metadata, path: path)
    case "llama": members += sentencePiece(tokens, metadata)
    default: throw .unknownKind(path: path, key: TokenizerKeys.model, value: model)
    }
    return [("tokenizer.json", .object(members)), ("tokenizer_config.json", configuration(tokens, metadata))]
  }

  private static func vocabulary(_ tokens: [String]) -> JSON {
    .object(tokens.enumerated().map { .init($1, .integer(Int64($0))) })
  }

  /// Control tokens and those that users defined.
  private static func added(_ tokens: [String], _ metadata: GGUFMetadata) -> [JSON] {
    let kinds = metadata[TokenizerKeys.types]?.arrayValue?.integers ?? []
    return kinds.enumerated().compactMap { index, kind in
      let isControl = kind == Vocabulary.Kind.control.rawValue
      guard index < tokens.count, isControl || kind == Vocabulary.Kind.userDefined.rawValue else { return nil }
      return [
        "id": .integer(Int64(index)), "content": .string(tokens[index]), "single_word": false, "lstrip": false,
        "rstrip": false, "normalized": false, "special": .bool(isControl),
      ]
    }
  }

  private static func byteLevel(
    _ tokens: [String], _ metadata: GGUFMetadata, path: String
  ) throws(TokenizerError) -> [JSON.Member] {
    let name = metadata[TokenizerKeys.splitter]?.stringValue ?? "default"
    guard let expressions = SplitRules.expressions(name) else {
      throw .unknownKind(path: path, key: TokenizerKeys.splitter, value: name)
    }
    let splits: [JSON] = expressions.map {
      ["type": "Split", "pattern": ["Regex": .string($0)], "behavior": "Isolated", "invert": false]
    }
    let level: JSON = ["type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false]
    let merges = metadata[TokenizerKeys.merges]?.arrayValue?.strings ?? []
    return [
      .init("pre_tokenizer", ["type": "Sequence", "pretokenizers": .array(splits + [level])]),
      .init("post_processor", frame(tokens, metadata, begins: SplitRules.usuallyBegins(name))),
      .init("decoder", level),
      .init(
        "model",
        [
          "type": "BPE", "ignore_merges": .bool(SplitRules.takesWholeWords(name)), "vocab": vocabulary(tokens),
          "merges": .array(merges.map { .string($0) }),
        ]),
    ]
  }

  private static func sentencePiece(_ tokens: [String], _ metadata: GGUFMetadata) -> [JSON.Member] {
    let addsSpace = metadata[TokenizerKeys.addSpace]?.boolValue ?? true
    let replace: JSON = ["type": "Replace", "pattern": ["String": " "], "content": "▁"]
    let prepend: JSON = ["type": "Prepend", "prepend": "▁"]
    let unknown = metadata[TokenizerKeys.unknown]?.intValue ?? 0
    return [
      .init("normalizer", ["type": "Sequence", "normalizers": .array((addsSpace ? [prepend] : []) + [replace])]),
      .init("post_processor", frame(tokens, metadata, begins: true)),
      .init(
        "decoder",
        [
          "type": "Sequence",
          "decoders": [
            ["type": "Replace", "pattern": ["String": "▁"], "content": " "], ["type": "ByteFallback"],
            ["type": "Fuse"],
          ],
        ]),
      .init(
        "model",
        [
          "type": "BPE", "unk_token": .string(tokens.indices.contains(unknown) ? tokens[unknown] : "<unk>"),
          "fuse_unk": true, "byte_fallback": true, "vocab": vocabulary(tokens),
          "merges": .array(
            merges(
              tokens, scores: metadata[TokenizerKeys.scores]?.arrayValue?.floats ?? [],
              kinds: metadata[TokenizerKeys.types]?.arrayValue?.integers ?? []
            ).map { .string($0) }),
        ]),
    ]
  }

  /// A vocabulary with scores joins the pair with the best result first: the pairs in the order of their results.
  static func merges(_ tokens: [String], scores: [Float], kinds: [Int]) -> [String] {
    let places = Dictionary(tokens.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
    var pairs: [(left: Int, right: Int, result: Int)] = []
    for (index, token) in tokens.enumerated() where index >= kinds.count || kinds[index] == 1 {
      for cut in token.indices.dropFirst() {
        guard let left = places[String(token[..<cut])], let right = places[String(token[cut...])] else { continue }
        pairs.append((left, right, index))
      }
    }
    func score(_ index: Int) -> Float { index < scores.count ? scores[index] : 0 }
    // Of equal scores, such as llama's runs of spaces have, the earlier token goes first, as in published lists.
    pairs.sort {
      (score($0.result), $1.result, $1.left, $1.right) > (score($1.result), $0.result, $0.left, $0.right)
    }
    return pairs.map { "\(tokens[$0.left]) \(tokens[$0.right])" }
  }

  private static func token(_ key: String, _ tokens: [String], _ metadata: GGUFMetadata) -> (id: Int, text: String)? {
    guard let id = metadata[key]?.intValue, tokens.indices.contains(id) else { return nil }
    return (id, tokens[id])
  }

  /// The tokens around a text.
  private static func frame(_ tokens: [String], _ metadata: GGUFMetadata, begins: Bool) -> JSON {
    var parts: [JSON] = [["Sequence": ["id": "A", "type_id": 0]]]
    var special: [JSON.Member] = []
    func add(_ token: (id: Int, text: String), at place: Int) {
      parts.insert(["SpecialToken": ["id": .string(token.text), "type_id": 0]], at: place)
      special.append(
        .init(
          token.text,
          [
            "id": .string(token.text), "ids": .array([.integer(Int64(token.id))]),
            "tokens": .array([.string(token.text)]),
          ]))
    }
    if metadata[TokenizerKeys.addBegin]?.boolValue ?? begins, let token = token(TokenizerKeys.begin, tokens, metadata) {
      add(token, at: 0)
    }
    if metadata[TokenizerKeys.addEnd]?.boolValue ?? false, let token = token(TokenizerKeys.end, tokens, metadata) {
      add(token, at: parts.count)
    }
    return [
      "type": "TemplateProcessing", "single": .array(parts), "pair": .array(parts), "special_tokens": .object(special),
    ]
  }

  private static func configuration(_ tokens: [String], _ metadata: GGUFMetadata) -> JSON {
    var members: [JSON.Member] = [.init("tokenizer_class", "PreTrainedTokenizerFast")]
    for (key, name) in [
      (TokenizerKeys.begin, "bos_token"), (TokenizerKeys.end, "eos_token"), (TokenizerKeys.unknown, "unk_token"),
    ] {
      if let token = token(key, tokens, metadata) { members.append(.init(name, .string(token.text))) }
    }
    if let template = metadata[TokenizerKeys.chatTemplate]?.stringValue {
      members.append(.init("chat_template", .string(template)))
    }
    return .object(members)
  }
}
