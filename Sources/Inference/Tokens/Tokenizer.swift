// SPDX-License-Identifier: Apache-2.0

/// Turns text into a model's tokens and back.
package struct Tokenizer: Sendable {
  enum Encoder: Sendable {
    case sentencePiece(SentencePieceEncoder)
    case bytePairs(BytePairEncoder)
    case unigram(UnigramEncoder)
  }

  /// Where a space is put in front of a text.
  enum SpacePrefix: Sendable {
    case never
    /// At the very beginning.
    case first
    /// There, and behind special tokens.
    case afterSpecial
  }

  /// How tokens spell a space.
  enum SpaceSpelling: Sendable {
    /// As itself.
    case plain
    /// As U+2581.
    case block
  }

  let vocabulary: Vocabulary
  private let encoder: Encoder
  private let spaces: SpaceSpelling
  private let spacePrefix: SpacePrefix
  /// A space is put in front of one that is there already.
  private let doublesSpace: Bool
  private let special: SpecialTokens
  /// What text is brought into first, between special tokens.
  private let form: NormalForm?
  package let beginOfSequence: Int32?
  package let endOfSequence: Int32?
  /// Tokens after which a model has said all: end of sequence, end of turn.
  package let endOfGeneration: Set<Int32>
  package let addsBeginOfSequence: Bool
  package let addsEndOfSequence: Bool
  /// How the model wants a conversation to be written: a template in Jinja.
  package let chatTemplate: String?
  package var vocabularySize: Int { vocabulary.count }

  /// The first token that is not the same text in another vocabulary; padding at the end of the longer one is none.
  package func firstDifference(from other: Tokenizer) -> Int? {
    (0..<min(vocabularySize, other.vocabularySize)).first { vocabulary.bytes(of: $0) != other.vocabulary.bytes(of: $0) }
  }

  /// What a file says besides the vocabulary.
  struct Facts {
    var beginOfSequence: Int32?
    var endOfSequence: Int32?
    /// Further tokens that end a generation.
    var endings: [Int32] = []
    var addsBeginOfSequence = false
    var addsEndOfSequence = false
    var spacePrefix = SpacePrefix.never
    var doublesSpace = true
    var spaces = SpaceSpelling.plain
    var chatTemplate: String?
    var form: NormalForm?
    var manners: [Int32: SpecialTokens.Manner] = [:]
  }

  init(_ vocabulary: Vocabulary, _ encoder: Encoder, _ facts: Facts) {
    self.vocabulary = vocabulary
    self.encoder = encoder
    spaces = facts.spaces
    spacePrefix = facts.spacePrefix
    doublesSpace = facts.doublesSpace
    special = SpecialTokens(vocabulary, manners: facts.manners)
    beginOfSequence = facts.beginOfSequence
    endOfSequence = facts.endOfSequence
    endOfGeneration = Set(facts.endings + [facts.endOfSequence].compactMap { $0 }).union(special.endings)
    addsBeginOfSequence = facts.addsBeginOfSequence
    addsEndOfSequence = facts.addsEndOfSequence
    chatTemplate = facts.chatTemplate
    form = facts.form
  }

  /// The tokens of a text.
  ///
  /// - Parameters:
  ///   - addsSpecial: with the beginning and end tokens that the model is used to.
  ///   - parsesSpecial: a control token's text in `text` becomes that token.
  package func encode(_ text: String, addsSpecial: Bool = true, parsesSpecial: Bool = false) -> [Int32] {
    var ids: [Int32] = []
    if addsSpecial, addsBeginOfSequence, let begin = beginOfSequence { ids.append(begin) }
    var text = text
    text.withUTF8 { append($0, parsesSpecial: parsesSpecial, to: &ids) }
    if addsSpecial, addsEndOfSequence, let end = endOfSequence { ids.append(end) }
    return ids
  }

  private func append(_ text: UnsafeBufferPointer<UInt8>, parsesSpecial: Bool, to ids: inout [Int32]) {
    var takesSpace = spacePrefix != .never
    for part in special.parts(of: text, parsesControl: parsesSpecial) {
      switch part {
      case .token(let id):
        ids.append(id)
        takesSpace = spacePrefix == .afterSpecial
      case .text(let range):
        let piece = UnsafeBufferPointer(rebasing: text[range])
        let addsSpace = takesSpace && (doublesSpace || piece.first != 0x20)
        if let form {
          form.applied(to: piece).withUnsafeBufferPointer { append($0, addsSpace: addsSpace, to: &ids) }
        } else {
          append(piece, addsSpace: addsSpace, to: &ids)
        }
        takesSpace = false
      }
    }
  }

  private func append(_ piece: UnsafeBufferPointer<UInt8>, addsSpace: Bool, to ids: inout [Int32]) {
    switch encoder {
    case .sentencePiece(let encoder): encoder.encode(piece, addsSpace: addsSpace, into: &ids)
    case .bytePairs(let encoder) where spaces == .block:
      SentencePieceEncoder.escaped(piece, addsSpace: addsSpace).withUnsafeBufferPointer {
        encoder.encode($0, into: &ids)
      }
    case .bytePairs(let encoder) where addsSpace:
      ([0x20] + Array(piece)).withUnsafeBufferPointer { encoder.encode($0, into: &ids) }
    case .bytePairs(let encoder): encoder.encode(piece, into: &ids)
    case .unigram(let encoder): encoder.encode(piece, addsSpace: addsSpace, into: &ids)
    }
  }

  /// The bytes that a token adds to the text; control tokens add none.
  package func bytes(of id: Int32) -> [UInt8] {
    guard id >= 0, Int(id) < vocabulary.count else { return [] }
    let text = Array(vocabulary.bytes(of: Int(id)))
    switch vocabulary.kinds[Int(id)] {
    case .control, .unused: return []
    case .byte: return Self.byte(text).map { [$0] } ?? text
    default: return spaces == .block ? Self.unescaped(text) : text
    }
  }

  /// A token as the vocabulary spells it, a control token's name included.
  package func spelling(of id: Int32) -> String {
    guard id >= 0, Int(id) < vocabulary.count else { return "" }
    return String(decoding: vocabulary.bytes(of: Int(id)), as: UTF8.self)
  }

  /// The text of tokens; invalid UTF-8 is repaired.
  package func text(of ids: [Int32]) -> String {
    var decoder = TokenDecoder(self)
    return ids.reduce(into: "") { $0 += decoder.text(after: $1) } + decoder.rest()
  }

  /// The space that encoding puts in front is not part of the text.
  var hidesFirstSpace: Bool { spacePrefix != .never }

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
  static func byte(_ text: [UInt8]) -> UInt8? {
    guard text.count == 6, text.starts(with: Array("<0x".utf8)), text[5] == UInt8(ascii: ">") else { return nil }
    return UInt8(String(decoding: text[3..<5], as: UTF8.self), radix: 16)
  }
}
