// SPDX-License-Identifier: Apache-2.0
internal import LanguageModel
internal import ModelFiles
package import Quantities

/// Why a variant is not made.
package enum CompressorError: ExplainedError, Equatable {
  /// The variant's result is no GGUF file.
  case notGGUF(variant: String)
  case noWeights(path: String)
  /// A step that only training gives.
  case needsTraining(step: String)
  /// Nothing was seen of what flows into a matrix.
  case notCalibrated(tensor: String)
  case notDecomposed(tensor: String)
  case noLinearAlgebra
  /// The file's format cannot say what the variant is.
  case notExpressible(reason: String)
  /// A checkpoint has no layout for the variant.
  case notCheckpoint(variant: String)
  /// A checkpoint of a type that is not written as a GGUF file.
  case typeNotConverted(path: String, type: String)
  case noEncoder(format: String, tensor: String, variant: String)
  case needsCalibration(variant: String)
  /// A matrix of the source has lost its precision already.
  case alreadyQuantised(path: String, tensor: String, format: String)
  case notFinite(path: String, tensor: String, element: Int)
  case sameFile(path: String)
  case diskTooSmall(path: String, needed: ByteCount, free: ByteCount)
  case interrupted(path: String)

  package var kind: String {
    switch self {
    case .notGGUF: "variant_not_gguf"
    case .typeNotConverted: "type_not_converted"
    case .notCheckpoint: "variant_not_checkpoint"
    case .noWeights: "no_weights"
    case .needsTraining: "needs_training"
    case .notCalibrated: "not_calibrated"
    case .notDecomposed: "not_decomposed"
    case .noLinearAlgebra: "linear_algebra_missing"
    case .notExpressible: "not_expressible"
    case .noEncoder: "format_cannot_be_made"
    case .needsCalibration: "calibration_missing"
    case .alreadyQuantised: "already_quantised"
    case .notFinite: "weight_not_finite"
    case .sameFile: "same_file"
    case .diskTooSmall: "disk_full"
    case .interrupted: "interrupted"
    }
  }

  package var message: String {
    switch self {
    case .notGGUF(let variant): "GGUF has no type that holds the variant '\(variant)'."
    case .notCheckpoint(let variant):
      "No layout of a checkpoint in safetensors is written for the variant '\(variant)'."
    case .noWeights(let path): "'\(path)' describes a model and holds no weights."
    case .needsTraining(let step): "The step '\(step)' is the result of training, not of a change of the weights."
    case .notCalibrated(let tensor):
      "The calibration text showed nothing of what flows into '\(tensor)', which this variant must know."
    case .notDecomposed(let tensor): "The inputs of '\(tensor)' give a matrix that cannot be decomposed."
    case .noLinearAlgebra: "This variant needs LAPACK, and libopenblas.so.0 is not installed."
    case .notExpressible(let reason): "The result cannot be written: \(reason)."
    case .typeNotConverted(let path, let type):
      "'\(path)' is a checkpoint of the type '\(type)'; those of "
        + ModelArchitecture.ggufNames.keys.sorted().joined(separator: ", ") + " are made into GGUF files here."
    case .noEncoder(let format, let tensor, let variant):
      "The variant '\(variant)' stores '\(tensor)' as \(format), a format that only computations use."
    case .needsCalibration(let variant):
      "The variant '\(variant)' goes by the importance that a calibration text shows, and none is given."
    case .alreadyQuantised(let path, let tensor, let format):
      "'\(path)' stores '\(tensor)' as \(format): making another variant of it would add its loss to the new one."
    case .notFinite(let path, let tensor, let element):
      "The tensor '\(tensor)' of '\(path)' has an element (\(element)) that is no finite number."
    case .sameFile(let path): "'\(path)' is named both as the source and as the result."
    case .diskTooSmall(let path, let needed, let free):
      "'\(path)' needs \(needed), and its disk has \(free) free."
    case .interrupted(let path): "Making '\(path)' was interrupted; nothing was left behind."
    }
  }

  package var remedy: String {
    switch self {
    case .notGGUF:
      "Name a folder as the result for a checkpoint in safetensors, or choose a GGUF variant such as q4_k_m."
    case .notCheckpoint: "Name the result .gguf, or take awq4, gptq4, nf4, a sparse variant or 16-bit floats."
    case .noWeights: "Give the file or folder that holds the model's weights."
    case .needsTraining: "Make it with 'anprobe train', or take a variant without it."
    case .notCalibrated: "Give a longer --calibration text, or take a GGUF variant such as q4_k_m."
    case .notDecomposed: "Give a longer --calibration text."
    case .noLinearAlgebra: "Install OpenBLAS (libopenblas0)."
    case .notExpressible: "Take another variant of this model."
    case .typeNotConverted: "Convert it to an f16 GGUF file first (llama.cpp's convert_hf_to_gguf.py)."
    case .noEncoder: "Choose a format of files, such as q4_k_m or q8_0."
    case .needsCalibration: "Give --calibration TEXT: some pages of the kind of text that the model will see."
    case .alreadyQuantised: "Start from the f32, f16 or bf16 file of the model."
    case .notFinite: "The file may be damaged: fetch it again, or check its source."
    case .sameFile: "Give the result another name."
    case .diskTooSmall: "Free some space, choose a smaller variant, or write to another disk."
    case .interrupted: "Run it again to make it whole."
    }
  }

  package var exitCode: ExitReason {
    switch self {
    case .diskTooSmall, .interrupted, .noLinearAlgebra: .failure
    default: .badInput
    }
  }
}
