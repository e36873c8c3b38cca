// SPDX-License-Identifier: Apache-2.0
internal import LanguageModel

extension CompressionVariant {
  /// Whether an importance matrix decides this variant, by its recipe or by its name.
  package var needsImportanceMatrix: Bool {
    guard case .mixture(let mixture, let hasMatrix) = steps.last else { return false }
    return mixture.needsImportanceMatrix || mixture.dependsOnImportanceMatrix && hasMatrix
  }

  /// `general.file_type` of a GGUF file: what most of its tensors are. Nil where no number stands for the variant.
  ///
  /// - Source: the GGUF specification's list of file types and llama.cpp's `llama_ftype`.
  package var ggufFileType: UInt32? {
    switch steps.last {
    case .mixture(let mixture, _): mixture.fileType
    case .uniform(.f32): 0
    case .uniform(.f16): 1
    case .uniform(.bf16): 32
    case .uniform(let format):
      GGUFMixture(rawValue: format.rawValue)?.fileType ?? Self.smallestFileType[format.rawValue]
    default: nil
    }
  }

  /// The small recipe of each format that has no recipe of its own name.
  private static let smallestFileType: [String: UInt32] = [
    "q3_k": 11, "q4_k": 14, "q5_k": 16, "mxfp4": 38,
  ]
}

extension GGUFMixture {
  fileprivate var fileType: UInt32 {
    switch self {
    case .q4_0: 2
    case .q4_1: 3
    case .q8_0: 7
    case .q5_0: 8
    case .q5_1: 9
    case .q2_k: 10
    case .q3_k_s: 11
    case .q3_k_m: 12
    case .q3_k_l: 13
    case .q4_k_s: 14
    case .q4_k_m: 15
    case .q5_k_s: 16
    case .q5_k_m: 17
    case .q6_k: 18
    case .iq2_xxs: 19
    case .iq2_xs: 20
    case .q2_k_s: 21
    case .iq3_xs: 22
    case .iq3_xxs: 23
    case .iq1_s: 24
    case .iq4_nl: 25
    case .iq3_s: 26
    case .iq3_m: 27
    case .iq2_s: 28
    case .iq2_m: 29
    case .iq4_xs: 30
    case .iq1_m: 31
    case .tq1_0: 36
    case .tq2_0: 37
    case .mxfp4_moe: 38
    }
  }
}
