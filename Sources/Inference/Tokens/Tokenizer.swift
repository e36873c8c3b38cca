// SPDX-License-Identifier: Apache-2.0
package import ModelFiles

/// Turns text into a model's tokens and back.
package struct Tokenizer: Sendable {
  private enum Encoder {
    case sentencePiece(SentencePieceEncoder)
    case bytePairs(BytePairEncoder)
  }

  let vocabulary: Vocabulary
  private let encoder: Encoder
  private let addsSpace: Bool
  private let special: SpecialTokens
  package let beginOfSequence: Int32?
  package let endOfSequence: Int32?
  /// Tokens after which a model has said all: end of sequence, end of turn.
  package let endOfGeneration: Set<Int32>
  package let addsBeginOfSequence: Bool
  package let addsEndOfSequence: Bool
  package var vocabularySize: Int { vocabulary.count }

  /// Reads the vocabulary of a GGUF file.
  ///
  /// - Parameter path: the file's name, for errors.
  package init(_ metadata: GGUFMetadata, path: String) throws(TokenizerError) {
    guard let model = metadata[TokenizerKeys.model]?.stringValue else {
      throw .missingKey(path: path, key: TokenizerKeys.model)
    }
    guard model == "llama" || model == "gpt2" else {
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
    self.vocabulary = vocabulary
    let unknown = try identifier(TokenizerKeys.unknown)
    // What llama.cpp assumes where a file does not say: the llama family begins with its token, Llama 3's included.
    let usuallyBegins: Bool
    if model == "llama" {
      encoder = .sentencePiece(SentencePieceEncoder(vocabulary, unknown: unknown))
      usuallyBegins = true
    } else {
      let pairs = try BytePairEncoder(vocabulary, metadata, path: path)
      encoder = .bytePairs(pairs)
      usuallyBegins = pairs.splitter.takesWholeWords
    }
    special = SpecialTokens(vocabulary)
    beginOfSequence = try identifier(TokenizerKeys.begin)
    endOfSequence = try identifier(TokenizerKeys.end)
    let endOfTurn = try identifier(TokenizerKeys.endOfTurn)
    endOfGeneration = Set([endOfSequence, endOfTurn].compactMap { $0 }).union(special.endings)
    addsBeginOfSequence = metadata[TokenizerKeys.addBegin]?.boolValue ?? usuallyBegins
    addsEndOfSequence = metadata[TokenizerKeys.addEnd]?.boolValue ?? false
    addsSpace = model == "llama" && metadata[TokenizerKeys.addSpace]?.boolValue ?? true
  }

  /// The tokens of a text.
  ///
  /// - Parameters:
  ///   - addsSpecial: with the beginning and end tokens that the model is used to.
  ///   - parsesSpecial: a control token's text in `text` becomes that token.
  package func encode(_ text: String, addsSpecial: Bool = true, parsesSpecial: Bool = false) -> [Int32] {
    var ids: [Int32] = []
    if addsSpecial, addsBeginOfSequence, let begin = beginOfSequence { ids.append(begin) }
    var isAfterSpecial = true
    for part in special.parts(of: text, parsesControl: parsesSpecial) {
      switch part {
      case .token(let id):
        ids.append(id)
        isAfterSpecial = true
      case .text(let piece):
        ids += encode(piece, isAfterSpecial: isAfterSpecial)
        isAfterSpecial = false
      }
    }
    if addsSpecial, addsEndOfSequence, let end = endOfSequence { ids.append(end) }
    return ids
  }

  private func encode(_ piece: Substring, isAfterSpecial: Bool) -> [Int32] {
    switch encoder {
    case .sentencePiece(let encoder): encoder.encode(piece.utf8, addsSpace: addsSpace && isAfterSpecial)
    case .bytePairs(let encoder): encoder.encode(piece)
    }
  }

  /// The bytes that a token adds to the text; control tokens add none.
  package func bytes(of id: Int32) -> [UInt8] {
    guard id >= 0, Int(id) < vocabulary.count else { return [] }
    let text = vocabulary.bytes[Int(id)]
    switch vocabulary.kinds[Int(id)] {
    case .control, .unused: return []
    case .byte: return Self.byte(text).map { [$0] } ?? text
    default:
      guard case .sentencePiece = encoder else { return text }
      return Self.unescaped(text)
    }
  }

  /// The text of tokens; invalid UTF-8 is repaired.
  package func text(of ids: [Int32]) -> String {
    var decoder = TokenDecoder(self)
    return ids.reduce(into: "") { $0 += decoder.text(after: $1) } + decoder.rest()
  }

  /// The space that encoding puts in front is not part of the text.
  var hidesFirstSpace: Bool { addsSpace }

  private static func unescaped(_ text: [UInt8]) -> [UInt8] {
    guard text.contains(SentencePieceEncoder.space[0]) else { return text }
    var result: [UInt8] = []
    var index = 0
    while index < text.count {
      if text[index...].starts(with: SentencePieceEncoder.space) {
        result.append(0x20)
        index += SentencePieceEncoder.space.count
      } else {
        result.append(text[index])
        index += 1
      }
    }
    return result
  }

  /// The byte of `<0x0A>`.
  private static func byte(_ text: [UInt8]) -> UInt8? {
    guard text.count == 6, text.starts(with: Array("<0x".utf8)), text[5] == UInt8(ascii: ">") else { return nil }
    return UInt8(String(decoding: text[3..<5], as: UTF8.self), radix: 16)
  }
}
