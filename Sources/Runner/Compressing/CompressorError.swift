// SPDX-License-Identifier: Apache-2.0
package import Quantities

/// Why a variant is not made.
package enum CompressorError: ExplainedError, Equatable {
  /// The variant's result is no GGUF file.
  case notGGUF(variant: String)
  /// The source has no metadata to copy: it is no GGUF file.
  case sourceNotGGUF(path: String)
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
    case .sourceNotGGUF: "source_not_gguf"
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
    case .notGGUF(let variant): "The variant '\(variant)' is not stored as GGUF, and only GGUF files are made here."
    case .sourceNotGGUF(let path): "'\(path)' is no GGUF file with weights and vocabulary."
    case .noEncoder(let format, let tensor, let variant):
      "The variant '\(variant)' stores '\(tensor)' as \(format), which cannot be made here: its codebook of up to 2048 "
        + "points of eight weights needs a search of its own."
    case .needsCalibration(let variant):
      "The variant '\(variant)' is decided by an importance matrix, and without a calibration text there is none."
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
    case .notGGUF: "Choose a GGUF variant such as q4_k_m; 'anprobe variants' says how the others are obtained."
    case .sourceNotGGUF: "Convert the model to an f16 GGUF file first (llama.cpp's convert_hf_to_gguf.py)."
    case .noEncoder: "Choose q2_k or iq4_xs, or make it with llama.cpp's llama-quantize and an importance matrix."
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
    case .diskTooSmall, .interrupted: .failure
    default: .badInput
    }
  }
}
