// SPDX-License-Identifier: Apache-2.0

/// A GGUF tensor type: a number of elements that share one block of bytes.
///
/// - Source: the GGUF specification and the type table of ggml (block element counts and byte sizes).
package enum BlockFormat: String, Sendable, CaseIterable, Hashable {
  case f32, f16, bf16, f64, i8, i16, i32, i64
  case q4_0, q4_1, q5_0, q5_1, q8_0, q8_1
  case q2_k, q3_k, q4_k, q5_k, q6_k, q8_k
  case iq1_s, iq1_m, iq2_xxs, iq2_xs, iq2_s, iq3_xxs, iq3_s, iq4_nl, iq4_xs
  case tq1_0, tq2_0, mxfp4

  private struct Layout {
    let ggufType: UInt32
    let elements: Int
    let bytes: Int
  }

  private var layout: Layout {
    switch self {
    case .f32: Layout(ggufType: 0, elements: 1, bytes: 4)
    case .f16: Layout(ggufType: 1, elements: 1, bytes: 2)
    case .q4_0: Layout(ggufType: 2, elements: 32, bytes: 18)
    case .q4_1: Layout(ggufType: 3, elements: 32, bytes: 20)
    case .q5_0: Layout(ggufType: 6, elements: 32, bytes: 22)
    case .q5_1: Layout(ggufType: 7, elements: 32, bytes: 24)
    case .q8_0: Layout(ggufType: 8, elements: 32, bytes: 34)
    case .q8_1: Layout(ggufType: 9, elements: 32, bytes: 36)
    case .q2_k: Layout(ggufType: 10, elements: 256, bytes: 84)
    case .q3_k: Layout(ggufType: 11, elements: 256, bytes: 110)
    case .q4_k: Layout(ggufType: 12, elements: 256, bytes: 144)
    case .q5_k: Layout(ggufType: 13, elements: 256, bytes: 176)
    case .q6_k: Layout(ggufType: 14, elements: 256, bytes: 210)
    case .q8_k: Layout(ggufType: 15, elements: 256, bytes: 292)
    case .iq2_xxs: Layout(ggufType: 16, elements: 256, bytes: 66)
    case .iq2_xs: Layout(ggufType: 17, elements: 256, bytes: 74)
    case .iq3_xxs: Layout(ggufType: 18, elements: 256, bytes: 98)
    case .iq1_s: Layout(ggufType: 19, elements: 256, bytes: 50)
    case .iq4_nl: Layout(ggufType: 20, elements: 32, bytes: 18)
    case .iq3_s: Layout(ggufType: 21, elements: 256, bytes: 110)
    case .iq2_s: Layout(ggufType: 22, elements: 256, bytes: 82)
    case .iq4_xs: Layout(ggufType: 23, elements: 256, bytes: 136)
    case .i8: Layout(ggufType: 24, elements: 1, bytes: 1)
    case .i16: Layout(ggufType: 25, elements: 1, bytes: 2)
    case .i32: Layout(ggufType: 26, elements: 1, bytes: 4)
    case .i64: Layout(ggufType: 27, elements: 1, bytes: 8)
    case .f64: Layout(ggufType: 28, elements: 1, bytes: 8)
    case .iq1_m: Layout(ggufType: 29, elements: 256, bytes: 56)
    case .bf16: Layout(ggufType: 30, elements: 1, bytes: 2)
    case .tq1_0: Layout(ggufType: 34, elements: 256, bytes: 54)
    case .tq2_0: Layout(ggufType: 35, elements: 256, bytes: 66)
    case .mxfp4: Layout(ggufType: 39, elements: 32, bytes: 17)
    }
  }

  /// The type number in a GGUF file.
  package var ggufType: UInt32 { layout.ggufType }
  package var elementsPerBlock: Int { layout.elements }
  package var bytesPerBlock: Int { layout.bytes }

  package init?(ggufType: UInt32) {
    guard let match = Self.allCases.first(where: { $0.ggufType == ggufType }) else { return nil }
    self = match
  }

  /// Stored bits divided by elements of a full block, scales included.
  package var bitsPerWeight: Double { Double(bytesPerBlock * 8) / Double(elementsPerBlock) }
}
