// SPDX-License-Identifier: Apache-2.0
package import Quantities

/// Why a model is not trained.
package enum TrainingError: ExplainedError, Equatable {
  case architecture(String, reason: String)
  case missingTensor(String)
  case wrongShape(tensor: String, expected: String, found: String)
  case noLinearAlgebra
  /// No metadata or no weights to write back.
  case notGGUF(path: String)
  case textTooShort(tokens: Int, needed: Int)
  case vocabularies(student: Int, teacher: Int)
  case badLayers(String, count: Int)
  case badSetting(String, reason: String)
  case diverged(step: Int)
  case noCheckpoint(path: String)
  case otherCheckpoint(path: String, difference: String)
  case sameFile(path: String)
  /// Stopped by the user; the state is kept.
  case interrupted(step: Int, checkpoint: String)

  package var kind: String {
    switch self {
    case .architecture: "architecture_not_trainable"
    case .missingTensor: "tensor_missing"
    case .wrongShape: "tensor_shape"
    case .noLinearAlgebra: "openblas_missing"
    case .notGGUF: "source_not_gguf"
    case .textTooShort: "text_too_short"
    case .vocabularies: "vocabularies_differ"
    case .badLayers: "layers_unknown"
    case .badSetting: "setting_invalid"
    case .diverged: "training_diverged"
    case .noCheckpoint: "checkpoint_missing"
    case .otherCheckpoint: "checkpoint_differs"
    case .sameFile: "same_file"
    case .interrupted: "interrupted"
    }
  }

  package var message: String {
    switch self {
    case .architecture(let name, let reason): "A model of type '\(name)' is not trained here: \(reason)."
    case .missingTensor(let name): "The model has no tensor '\(name)' in a format that can be read."
    case .wrongShape(let tensor, let expected, let found):
      "The tensor '\(tensor)' is \(found), but the model's shapes say \(expected)."
    case .noLinearAlgebra: "Training multiplies matrices with OpenBLAS, and 'libopenblas.so.0' was not found."
    case .notGGUF(let path): "'\(path)' is no GGUF file with weights and vocabulary."
    case .textTooShort(let tokens, let needed):
      "The text has \(tokens) tokens, and one window needs \(needed)."
    case .vocabularies(let student, let teacher):
      "The student has \(student) tokens and the teacher \(teacher), or they are not the same ones: their distributions "
        + "cannot be compared."
    case .badLayers(let text, let count): "'\(text)' names no layers of a model with \(count)."
    case .badSetting(let setting, let reason): "'\(setting)' cannot be: \(reason)."
    case .diverged(let step): "The loss of step \(step) is no number: the training diverged."
    case .noCheckpoint(let path): "There is nothing to resume: '\(path)' was not found."
    case .otherCheckpoint(let path, let difference):
      "'\(path)' belongs to a training with other settings: \(difference)."
    case .sameFile(let path): "'\(path)' is named both as the source and as the result."
    case .interrupted(let step, let checkpoint):
      "The training was interrupted after step \(step); its state is kept in '\(checkpoint)'."
    }
  }

  package var remedy: String {
    switch self {
    case .architecture: "Train a model of the llama family (llama, mistral, smollm) without biases."
    case .missingTensor, .wrongShape:
      "The file may be damaged or of another model: fetch it again, or check its source."
    case .noLinearAlgebra: "Install it (Debian: libopenblas0)."
    case .notGGUF: "Convert the model to an f16 GGUF file first (llama.cpp's convert_hf_to_gguf.py)."
    case .textTooShort: "Give a longer text, or a smaller --context."
    case .vocabularies: "Choose a teacher with the student's own vocabulary."
    case .badLayers: "Write layers from 0 on, such as 0-4,7."
    case .badSetting: "Change it and run again."
    case .diverged: "Choose a smaller --lr."
    case .noCheckpoint: "Run it without --resume."
    case .otherCheckpoint: "Repeat the first run's options, or run without --resume to begin anew."
    case .sameFile: "Give the result another name."
    case .interrupted: "Run the same command with --resume to go on."
    }
  }

  package var exitCode: ExitReason {
    switch self {
    case .interrupted, .diverged, .noLinearAlgebra: .failure
    default: .badInput
    }
  }
}
