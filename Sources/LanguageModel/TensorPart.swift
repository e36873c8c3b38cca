// SPDX-License-Identifier: Apache-2.0

/// Which part of its role's matrix a tensor is.
package enum TensorPart: UInt8, Sendable, Hashable, CaseIterable {
  /// The matrix itself, as nearly always.
  case whole
  /// W ≈ outer · inner, in place of W; (rows, rank) and (rank, columns).
  case outer, inner
  /// W + adapterOuter · adapterInner, beside W: a low-rank adapter kept apart (LoRA, arXiv 2106.09685: B and A).
  case adapterOuter, adapterInner

  package var isAdapter: Bool { self == .adapterOuter || self == .adapterInner }

  /// What GGUF adapter files append to the name of the matrix; nil where GGUF has no name.
  var ggufSuffix: String? {
    switch self {
    case .whole: ""
    case .adapterInner: ".lora_a"
    case .adapterOuter: ".lora_b"
    case .outer, .inner: nil
    }
  }
}
