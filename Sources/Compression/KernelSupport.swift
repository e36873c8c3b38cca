// SPDX-License-Identifier: Apache-2.0
package import LanguageModel

/// Whether the built-in runtime can compute with a format.
package enum KernelSupport: Int, Sendable, Comparable, CaseIterable {
  /// Storage only: sizes are exact, nothing runs it here.
  case none
  /// Decoded by the portable path, correct but slow.
  case portable
  /// A kernel of its own for each instruction set.
  case fast

  package static func < (left: KernelSupport, right: KernelSupport) -> Bool { left.rawValue < right.rawValue }

  package var sentence: String {
    switch self {
    case .none: "No kernel yet, not runnable here."
    case .portable: "Runs through the portable path."
    case .fast: "Runs on kernels of its own."
    }
  }
}

extension StorageFormat {
  package var kernelSupport: KernelSupport {
    switch self {
    case .block(let format):
      switch format {
      case .f32, .f16, .bf16, .q8_0, .q4_0, .q4_k, .q6_k: .fast
      case .f64, .i8, .i16, .i32, .i64: .none
      default: .portable
      }
    case .sparse(.structured(kept: 2, of: 4)), .sparse(.structured(kept: 4, of: 8)): .fast
    case .sparse: .none
    default: .fast
    }
  }
}

extension VariantSummary {
  /// The weakest support among the formats of the matrices.
  package var kernelSupport: KernelSupport { entries.map(\.format.kernelSupport).min() ?? .none }
}
