// SPDX-License-Identifier: Apache-2.0
package import LanguageModel
package import Quantities

/// The size of a GGUF file: exact for the tensors, estimated for the vocabulary in front of them.
package struct GGUFFileSize: Sendable, Equatable {
  /// The tensors, each padded to 32 bytes: exact.
  package var tensorBytes: ByteCount
  /// Metadata, vocabulary and tensor table: an estimate, since no configuration lists the tokens' texts.
  package var headerBytes: ByteCount
  package var total: ByteCount { tensorBytes + headerBytes }

  package init(_ summary: VariantSummary, _ description: LanguageModelDescription) {
    tensorBytes = summary.alignedBytes
    headerBytes = Self.headerBytes(description)
  }

  /// The part in front of the tensors, which is the same for every variant.
  package static func headerBytes(_ description: LanguageModelDescription) -> ByteCount {
    generalBytes + tableBytes(description.inventory) + vocabularyBytes(description.architecture)
  }

  /// Everything but vocabulary and tensor table: names, shapes, a chat template.
  ///
  /// - Source: the files of one TinyLlama geometry without vocabulary have 12,480 bytes of header with 201 tensors;
  ///   the rest of it is a few kilobytes, and chat templates are of that order too.
  static let generalBytes = ByteCount(4096)

  /// The table of tensors: per tensor a name behind its length, dimensions, type and offset.
  static func tableBytes(_ inventory: TensorInventory) -> ByteCount {
    inventory.tensors.reduce(.zero) { sum, tensor in
      let dimensions = tensor.isVector ? 1 : tensor.copies > 1 ? 3 : 2
      // A name such as `blk.12.attn_output.weight` has about 24 characters.
      return sum + ByteCount(8 + 24 + 4 + dimensions * 8 + 4 + 8)
    }
  }

  /// Tokens, their types, and scores or merges.
  static func vocabularyBytes(_ architecture: ModelArchitecture) -> ByteCount {
    ByteCount(magnitude: Double(architecture.vocabularySize) * TokenizerKind(architecture).bytesPerToken)
  }
}

/// The kinds of vocabulary that differ in how many bytes a token takes in a GGUF file.
///
/// Length, text, type (4 bytes); then a score (4 bytes) in SentencePiece, or merges, each with length and text, in
/// byte-pair encoding.
enum TokenizerKind: Sendable, CaseIterable {
  case sentencePiece
  /// About one merge per token.
  case bytePairs
  /// The same with a vocabulary of many languages, whose tokens are longer.
  case manyLanguages
  /// Converted from tiktoken ranks: a token may have come about in several ways, so that there are more than two
  /// merges per token.
  case fromRanks

  /// - Source: sizes of vocabulary-only GGUF files divided by their tokens: llama-spm 723,869 / 32,000, phi-3 726,019 /
  ///   32,064; gpt-2 1,766,807 / 50,257, starcoder 1,719,346 / 49,152, falcon 2,287,728 / 65,024; deepseek-llm
  ///   3,970,167 / 102,400. From ranks: 280,147 merges for the 128,256 tokens of Llama 3, by the published
  ///   Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf (4,920,739,168 bytes, 4,912,898,048 of them tensors).
  var bytesPerToken: Double {
    switch self {
    case .sentencePiece: 22.6
    case .bytePairs: 35.1
    case .manyLanguages: 38.8
    case .fromRanks: 61.0
    }
  }

  /// Guesses the kind: configurations do not name it.
  init(_ architecture: ModelArchitecture) {
    let vocabulary = architecture.vocabularySize
    let type = architecture.modelType
    let isSentencePieceFamily =
      type.hasPrefix("gemma") || type.hasPrefix("phi3")
      || ["llama", "mistral", "mixtral", "internlm2", "baichuan", "minicpm", "orion", "xverse"].contains(type)
    if type.hasPrefix("gemma") || isSentencePieceFamily && vocabulary < 100_000 {
      self = .sentencePiece
    } else if ["llama", "mistral"].contains(type), (128_000...131_072).contains(vocabulary) {
      self = .fromRanks
    } else {
      self = vocabulary < 100_000 ? .bytePairs : .manyLanguages
    }
  }
}
