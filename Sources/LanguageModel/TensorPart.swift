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

  /// What follows the matrix's name in a GGUF file: of adapters, llama.cpp's words; of factors, this program's own, which
  /// no other engine reads.
  package var ggufSuffix: String {
    switch self {
    case .whole: ""
    case .adapterInner: ".lora_a"
    case .adapterOuter: ".lora_b"
    case .inner: ".factor_a"
    case .outer: ".factor_b"
    }
  }

  /// The matrix's name and which part of it a GGUF file's tensor is.
  package static func parse(ggufName name: String) -> (matrix: String, part: TensorPart) {
    for part in allCases where part != .whole && name.hasSuffix(part.ggufSuffix) {
      return (String(name.dropLast(part.ggufSuffix.count)), part)
    }
    return (name, .whole)
  }
}
