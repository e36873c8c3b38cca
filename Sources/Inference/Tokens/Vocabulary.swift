// SPDX-License-Identifier: Apache-2.0
internal import ModelFiles

/// The tokens of a model: their bytes, scores and kinds, found by either.
struct Vocabulary: Sendable {
  /// The kinds of a GGUF file's `token_type`.
  enum Kind: Int, Sendable {
    case normal = 1
    case unknown, control, userDefined, unused, byte
  }

  /// The bytes that each token stands for.
  private let texts: ByteTable
  let scores: [Float]
  let kinds: [Kind]

  var count: Int { texts.count }

  /// Of two tokens with the same text the first one is meant.
  init(bytes: [[UInt8]], scores: [Float], kinds: [Kind]) {
    texts = ByteTable(bytes)
    self.scores = scores
    self.kinds = kinds
  }

  func bytes(of id: Int) -> ArraySlice<UInt8> { texts[id] }

  subscript(text: UnsafeBufferPointer<UInt8>) -> Int32? { texts.number(of: text) }
  subscript(text: some Collection<UInt8>) -> Int32? { texts.number(of: text) }

  /// Reads the lists `tokens`, `scores` and `token_type`.
  ///
  /// - Parameter isByteLevel: tokens are spelt in GPT-2's printable alphabet, a letter per byte.
  init(_ metadata: GGUFMetadata, path: String, isByteLevel: Bool) throws(TokenizerError) {
    guard let tokens = metadata[TokenizerKeys.tokens]?.arrayValue, tokens.elementType == .string else {
      throw .missingKey(path: path, key: TokenizerKeys.tokens)
    }
    guard tokens.count > 0, tokens.count <= Int(Int32.max) else {
      throw .inconsistent(path: path, key: TokenizerKeys.tokens, reason: "it has \(tokens.count) tokens")
    }
    let kinds = try Self.kinds(metadata, count: tokens.count, path: path)
    let scores = metadata[TokenizerKeys.scores]?.arrayValue?.floats
    guard scores == nil || scores?.count == tokens.count else {
      throw .inconsistent(
        path: path, key: TokenizerKeys.scores,
        reason: "\(scores?.count ?? 0) scores for \(tokens.count) tokens")
    }
    let texts = (0..<tokens.count).map { index -> [UInt8] in
      let raw = tokens.utf8(at: index)
      return isByteLevel && kinds[index] == .normal ? ByteAlphabet.bytes(of: raw) ?? Array(raw) : Array(raw)
    }
    self.init(bytes: texts, scores: scores ?? [Float](repeating: 0, count: tokens.count), kinds: kinds)
  }

  private static func kinds(
    _ metadata: GGUFMetadata, count: Int, path: String
  ) throws(TokenizerError) -> [Kind] {
    guard let numbers = metadata[TokenizerKeys.types]?.arrayValue?.integers else {
      return [Kind](repeating: .normal, count: count)
    }
    guard numbers.count == count else {
      throw .inconsistent(
        path: path, key: TokenizerKeys.types, reason: "\(numbers.count) types for \(count) tokens")
    }
    return numbers.map { Kind(rawValue: $0) ?? .normal }
  }
}

/// The keys of a GGUF file's vocabulary (ggml, docs/gguf.md).
enum TokenizerKeys {
  static let model = "tokenizer.ggml.model"
  static let splitter = "tokenizer.ggml.pre"
  static let tokens = "tokenizer.ggml.tokens"
  static let scores = "tokenizer.ggml.scores"
  static let types = "tokenizer.ggml.token_type"
  static let merges = "tokenizer.ggml.merges"
  static let begin = "tokenizer.ggml.bos_token_id"
  static let end = "tokenizer.ggml.eos_token_id"
  static let endOfTurn = "tokenizer.ggml.eot_token_id"
  static let unknown = "tokenizer.ggml.unknown_token_id"
  static let addBegin = "tokenizer.ggml.add_bos_token"
  static let addEnd = "tokenizer.ggml.add_eos_token"
  static let addSpace = "tokenizer.ggml.add_space_prefix"
  static let dropsExtraSpace = "tokenizer.ggml.remove_extra_whitespaces"
  static let chatTemplate = "tokenizer.chat_template"
}

/// GPT-2's spelling of bytes by printable characters: printable Latin-1 stands for itself, the rest for U+0100 and on.
enum ByteAlphabet {
  /// The byte of each of the first 324 scalars; -1 for one that spells none.
  private static let byteOfScalar: [Int16] = {
    var table = [Int16](repeating: -1, count: 0x144)
    var next = 0x100
    for byte in 0...255 {
      let isPrintable = (0x21...0x7E).contains(byte) || (0xA1...0xAC).contains(byte) || byte >= 0xAE
      table[isPrintable ? byte : next] = Int16(byte)
      if !isPrintable { next += 1 }
    }
    return table
  }()

  private static let scalarOfByte: [UInt32] = {
    var table = [UInt32](repeating: 0, count: 256)
    for (scalar, byte) in byteOfScalar.enumerated() where byte >= 0 { table[Int(byte)] = UInt32(scalar) }
    return table
  }()

  /// The text, in UTF-8, that spells bytes.
  static func spelling(of bytes: some Sequence<UInt8>) -> [UInt8] {
    bytes.flatMap { byte in
      let scalar = scalarOfByte[Int(byte)]
      return scalar < 0x80 ? [UInt8(scalar)] : [0xC0 | UInt8(scalar >> 6), 0x80 | UInt8(scalar & 0x3F)]
    }
  }

  /// The bytes that a token's text spells; nil when it has other characters.
  static func bytes(of text: some Sequence<UInt8>) -> [UInt8]? {
    var result: [UInt8] = []
    var lead: UInt8 = 0
    for byte in text {
      // The alphabet's scalars have one or two bytes.
      let scalar: Int
      switch (lead, byte) {
      case (0, 0..<0x80): scalar = Int(byte)
      case (0, 0xC2...0xC5):
        lead = byte
        continue
      case (0xC2...0xC5, 0x80..<0xC0): scalar = Int(lead & 0x1F) << 6 | Int(byte & 0x3F)
      default: return nil
      }
      lead = 0
      guard scalar < byteOfScalar.count, byteOfScalar[scalar] >= 0 else { return nil }
      result.append(UInt8(byteOfScalar[scalar]))
    }
    return lead == 0 ? result : nil
  }
}
