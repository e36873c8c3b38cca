// SPDX-License-Identifier: Apache-2.0
package import LanguageModel

/// Formats that cost an engine about the same per weight beyond their bytes.
package enum FormatFamily: Int, Sendable, CaseIterable {
  case float, eightBit, fourBit, fourBitSuper, fiveBit, fiveBitSuper, sixBitSuper, threeBitSuper, nonLinear, codebook

  /// The name in the table of coefficients.
  package var name: String {
    switch self {
    case .float: "float"
    case .eightBit: "8-bit"
    case .fourBit: "4-bit"
    case .fourBitSuper: "q4_k"
    case .fiveBit: "5-bit"
    case .fiveBitSuper: "q5_k"
    case .sixBitSuper: "q6_k"
    case .threeBitSuper: "q2_k and q3_k"
    case .nonLinear: "iq4"
    case .codebook: "codebook"
    }
  }

  package init(_ format: StorageFormat) {
    switch format {
    case .block(let block): self.init(block)
    case .int8PerRow, .int8PerChannel, .float8PerTensor, .float8PerBlock: self = .eightBit
    case .awq(let bits, _), .gptq(let bits, _, _): self = bits == 8 ? .eightBit : .fourBit
    case .normalFloat4, .float4: self = .fourBit
    case .sparse: self = .float
    }
  }

  private init(_ block: BlockFormat) {
    switch block {
    case .f32, .f16, .bf16, .f64, .i8, .i16, .i32, .i64: self = .float
    case .q8_0, .q8_1, .q8_k: self = .eightBit
    case .q4_0, .q4_1, .mxfp4: self = .fourBit
    case .q4_k: self = .fourBitSuper
    case .q5_0, .q5_1: self = .fiveBit
    case .q5_k: self = .fiveBitSuper
    case .q6_k: self = .sixBitSuper
    case .q2_k, .q3_k: self = .threeBitSuper
    case .iq4_nl, .iq4_xs: self = .nonLinear
    case .iq1_s, .iq1_m, .iq2_xxs, .iq2_xs, .iq2_s, .iq3_xxs, .iq3_s, .tq1_0, .tq2_0: self = .codebook
    }
  }
}

/// One number per family, in the order of its cases; the lanes beyond them stay zero.
package typealias FamilyValues = SIMD16<Double>
