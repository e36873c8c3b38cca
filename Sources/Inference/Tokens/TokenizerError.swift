// SPDX-License-Identifier: Apache-2.0
package import Quantities

/// Why a file's vocabulary cannot be used.
package enum TokenizerError: ExplainedError, Equatable {
  case missingKey(path: String, key: String)
  case unknownKind(path: String, key: String, value: String)
  /// Lists that go together differ in length, or an id is outside the vocabulary.
  case inconsistent(path: String, key: String, reason: String)
  case noChatTemplate(path: String)
  /// A GGUF file has no words for what the vocabulary does.
  case notExpressible(path: String, reason: String)
  /// A checkpoint without `tokenizer.json`.
  case noVocabulary(path: String)

  package var kind: String { "tokenizer" }

  package var message: String {
    switch self {
    case .missingKey(let path, let key): "'\(path)' has no vocabulary: the key '\(key)' is missing."
    case .unknownKind(let path, let key, let value):
      "'\(path)' splits text in a way that is not known: '\(key)' is '\(value)'."
    case .inconsistent(let path, let key, let reason): "The vocabulary of '\(path)' is damaged at '\(key)': \(reason)."
    case .noVocabulary(let path): "'\(path)' has no vocabulary: there is no tokenizer.json beside it."
    case .notExpressible(let path, let reason): "A GGUF file cannot hold the vocabulary of '\(path)': \(reason)."
    case .noChatTemplate(let path): "'\(path)' does not say how it wants a conversation to be written."
    }
  }

  package var remedy: String {
    switch self {
    case .missingKey, .noVocabulary:
      "Take a file with its vocabulary; a model without one can be measured but not spoken to."
    case .unknownKind:
      "SentencePiece (llama), unigram (t5) and byte-pair encoding (gpt2) with the published splitters are known."
    case .notExpressible: "Name a folder as the result: a checkpoint keeps its tokenizer.json."
    case .inconsistent: "Fetch or convert the file again."
    case .noChatTemplate:
      "Write the prompt out yourself with --prompt; a model without instructions only continues texts."
    }
  }

  package var exitCode: ExitReason { .badInput }
}
