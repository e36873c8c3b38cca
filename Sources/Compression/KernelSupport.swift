// SPDX-License-Identifier: Apache-2.0
package import LanguageModel

/// Whether the built-in runtime can compute with a format.
package enum KernelSupport: Int, Sendable, Comparable, CaseIterable {
  /// Storage only: sizes are exact, nothing runs it here.
  case none
  /// Decoded to floats before it is multiplied, correct but slow.
  case portable
  /// A kernel of its own for each instruction set.
  case fast

  package static func < (left: KernelSupport, right: KernelSupport) -> Bool { left.rawValue < right.rawValue }

  package var sentence: String {
    switch self {
    case .none: "No kernel yet, not runnable here."
    case .portable: "Runs, each block decoded to floats first."
    case .fast: "Runs on kernels of its own."
    }
  }
}

extension StorageFormat {
  package var kernelSupport: KernelSupport {
    switch self {
    case .block(let format):
      switch format {
      case .f32, .f16, .bf16, .q8_0, .q4_0, .q4_1, .q5_0, .q5_1, .q2_k, .q3_k, .q4_k, .q5_k, .q6_k, .iq1_s, .iq1_m,
        .iq2_xxs, .iq2_xs, .iq2_s, .iq3_xxs, .iq3_s, .iq4_nl, .iq4_xs, .tq1_0, .tq2_0, .mxfp4:
        .fast
      case .f64, .i8, .i16, .i32, .i64: .none
      case .q8_1, .q8_k: .portable
      }
    default: .fast
    }
  }
}

extension VariantSummary {
  /// The weakest support among the formats of the matrices.
  package var kernelSupport: KernelSupport { entries.map(\.format.kernelSupport).min() ?? .none }
}

extension TensorInventory {
  /// The weakest support among the formats of the matrices.
  package var kernelSupport: KernelSupport { tensors.map(\.format.kernelSupport).min() ?? .none }
}
