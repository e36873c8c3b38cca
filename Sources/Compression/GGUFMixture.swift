// SPDX-License-Identifier: Apache-2.0
package import LanguageModel

/// A file type of llama.cpp: a recipe that gives each tensor of a model its own format.
package enum GGUFMixture: String, Sendable, CaseIterable, Hashable {
  case q2_k, q2_k_s, q3_k_s, q3_k_m, q3_k_l, q4_0, q4_1, q4_k_s, q4_k_m, q5_0, q5_1, q5_k_s, q5_k_m, q6_k, q8_0
  case iq1_s, iq1_m, iq2_xxs, iq2_xs, iq2_s, iq2_m, iq3_xxs, iq3_xs, iq3_s, iq3_m, iq4_nl, iq4_xs
  case tq1_0, tq2_0, mxfp4_moe

  /// The format of every tensor for which the recipe says nothing else.
  ///
  /// - Source: llama.cpp's src/llama-quant.cpp, commit 007dbbf3 (2026).
  package var baseFormat: BlockFormat {
    switch self {
    case .q2_k, .q2_k_s: .q2_k
    case .q3_k_s, .q3_k_m, .q3_k_l: .q3_k
    case .q4_0: .q4_0
    case .q4_1: .q4_1
    case .q4_k_s, .q4_k_m: .q4_k
    case .q5_0: .q5_0
    case .q5_1: .q5_1
    case .q5_k_s, .q5_k_m: .q5_k
    case .q6_k: .q6_k
    case .q8_0: .q8_0
    case .iq1_s: .iq1_s
    case .iq1_m: .iq1_m
    case .iq2_xxs: .iq2_xxs
    case .iq2_xs, .iq2_s: .iq2_xs
    case .iq2_m: .iq2_s
    case .iq3_xxs: .iq3_xxs
    case .iq3_xs, .iq3_s, .iq3_m: .iq3_s
    case .iq4_nl: .iq4_nl
    case .iq4_xs: .iq4_xs
    case .tq1_0: .tq1_0
    case .tq2_0: .tq2_0
    case .mxfp4_moe: .mxfp4
    }
  }

  /// The tool refuses to make it without an importance matrix.
  package var needsImportanceMatrix: Bool {
    switch self {
    case .q2_k_s, .iq1_s, .iq1_m, .iq2_xxs, .iq2_xs, .iq2_s, .iq2_m, .iq3_xxs, .iq3_xs: true
    default: false
    }
  }

  /// An importance matrix may be given and then changes which tensor gets which format.
  package var dependsOnImportanceMatrix: Bool {
    switch self {
    case .q4_0, .q5_0, .iq4_nl, .iq4_xs: true
    default: false
    }
  }

  /// One of the recipes below three bits that share rules of their own.
  var isBelowThreeBits: Bool {
    switch self {
    case .iq1_s, .iq1_m, .iq2_xxs, .iq2_xs, .iq2_s, .iq2_m: true
    default: false
    }
  }
}
