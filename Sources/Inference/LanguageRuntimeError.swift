// SPDX-License-Identifier: Apache-2.0
package import Quantities

/// Why the built-in runtime refuses or stops.
package enum LanguageRuntimeError: Error, Equatable, Sendable {
  case unsupportedArchitecture(modelType: String, reason: String)
  case unsupportedFormat(tensor: String, format: String)
  case missingTensor(name: String, path: String)
  case wrongShape(tensor: String, expected: String, found: String)
  case rowsNotWhole(tensor: String, columns: Int, format: String)
  /// With the reason where the processor could run them.
  case kernelsUnavailable(String, available: [String], reason: String? = nil)
  case outOfMemory(buffer: String, bytes: ByteCount, errno: Int32)
  case contextFull(limit: Int)
  case tokenOutOfRange(token: Int, vocabulary: Int)
  case threadsUnavailable(errno: Int32)
  case cannotShift(reason: String)
  /// A draft model whose tokens stand for other texts.
  case foreignDraft(token: Int)
}

extension LanguageRuntimeError: ExplainedError {
  package var kind: String {
    switch self {
    case .unsupportedArchitecture: "architecture_unsupported"
    case .unsupportedFormat: "format_unsupported"
    case .missingTensor: "tensor_missing"
    case .wrongShape: "tensor_shape"
    case .rowsNotWhole: "tensor_rows"
    case .kernelsUnavailable: "kernels_unavailable"
    case .outOfMemory: "out_of_memory"
    case .contextFull: "context_full"
    case .tokenOutOfRange: "token_out_of_range"
    case .threadsUnavailable: "threads_unavailable"
    case .cannotShift: "context_shift"
    case .foreignDraft: "draft_vocabulary"
    }
  }

  package var message: String {
    switch self {
    case .unsupportedArchitecture(let modelType, let reason):
      "The built-in runtime does not run '\(modelType)': \(reason)."
    case .unsupportedFormat(let tensor, let format):
      "The tensor '\(tensor)' is stored as \(format), for which the built-in runtime has no kernel yet."
    case .missingTensor(let name, let path): "'\(path)' has no tensor '\(name)', which the forward pass needs."
    case .wrongShape(let tensor, let expected, let found):
      "The tensor '\(tensor)' is \(found), but the model's shapes say \(expected)."
    case .rowsNotWhole(let tensor, let columns, let format):
      "The tensor '\(tensor)' has rows of \(columns), which blocks of \(format) do not divide."
    case .kernelsUnavailable(let name, _, let reason):
      "This machine cannot run the kernels '\(name)'\(reason.map { ": \($0)" } ?? "")."
    case .outOfMemory(let buffer, let bytes, let code):
      "The system does not give \(bytes) for '\(buffer)' (error \(code))."
    case .contextFull(let limit): "The context of \(limit) tokens is full."
    case .tokenOutOfRange(let token, let vocabulary):
      "The token \(token) is outside of the vocabulary of \(vocabulary)."
    case .threadsUnavailable(let code): "The system does not give another thread (error \(code))."
    case .cannotShift(let reason): "The model's context cannot be shifted: \(reason)."
    case .foreignDraft(let token):
      "The draft model cannot propose tokens for this model: token \(token) is not the same text in both vocabularies."
    }
  }

  package var remedy: String {
    switch self {
    case .unsupportedArchitecture:
      "Estimate it with 'anprobe estimate', or run it with another engine ('--engine llama.cpp')."
    case .unsupportedFormat:
      "Choose a GGUF format, such as q8_0 or q4_k_m; 'anprobe variants' lists what runs."
    case .missingTensor, .wrongShape, .rowsNotWhole:
      "The file may be damaged or of another model: fetch it again, or check its source."
    case .kernelsUnavailable(_, let available, _): "Choose one of: \(available.joined(separator: ", "))."
    case .outOfMemory: "Close other programs, or choose a smaller model, variant or context."
    case .contextFull: "Give a larger --context, or generate fewer tokens."
    case .tokenOutOfRange: "Use the tokenizer of the same file."
    case .threadsUnavailable: "Run with fewer threads (--threads), or raise the limit of processes."
    case .cannotShift: "Generate without --context-shift, with a larger --context, or keep fewer tokens (--keep)."
    case .foreignDraft: "Take a smaller model of the same family as the draft, or '--draft lookup'."
    }
  }

  package var exitCode: ExitReason {
    switch self {
    case .outOfMemory, .threadsUnavailable: .failure
    default: .badInput
    }
  }
}
