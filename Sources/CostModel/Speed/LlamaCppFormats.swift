// SPDX-License-Identifier: Apache-2.0
package import LanguageModel

/// How fast llama.cpp's processor kernels go through each format.
package enum LlamaCppFormats {
  /// What one core does with weights in its cache, in gigabytes of weights and in billions of operations per second.
  package struct CoreRate: Sendable {
    package var gigabytes: Double
    package var gigaOperations: Double
  }

  /// The peak of the core that these rates were measured on, for scaling to others: 4 GHz with 32 operations a cycle,
  /// what its AVX2 code can reach at most.
  package static let referencePeak = 128e9

  /// - Source: llama.cpp of February 2025, one thread of a Sapphire Rapids core, weights in the second-level cache;
  ///   operations with 128 tokens.
  package static let rates: [BlockFormat: CoreRate] = [
    .f32: CoreRate(gigabytes: 27.3, gigaOperations: 61), .f16: CoreRate(gigabytes: 27.1, gigaOperations: 66),
    .bf16: CoreRate(gigabytes: 31.3, gigaOperations: 70), .q8_0: CoreRate(gigabytes: 21.2, gigaOperations: 75),
    .q4_0: CoreRate(gigabytes: 10.1, gigaOperations: 69), .q4_1: CoreRate(gigabytes: 10.3, gigaOperations: 34),
    .q5_0: CoreRate(gigabytes: 9.4, gigaOperations: 63), .q5_1: CoreRate(gigabytes: 10.3, gigaOperations: 28),
    .q2_k: CoreRate(gigabytes: 8.3, gigaOperations: 61), .q3_k: CoreRate(gigabytes: 7.5, gigaOperations: 39),
    .q4_k: CoreRate(gigabytes: 12.8, gigaOperations: 53), .q5_k: CoreRate(gigabytes: 11.2, gigaOperations: 35),
    .q6_k: CoreRate(gigabytes: 15.2, gigaOperations: 39), .iq4_xs: CoreRate(gigabytes: 9.2, gigaOperations: 38),
    .iq4_nl: CoreRate(gigabytes: 9.0, gigaOperations: 62), .iq3_s: CoreRate(gigabytes: 2.3, gigaOperations: 14),
    .iq3_xxs: CoreRate(gigabytes: 3.4, gigaOperations: 19), .iq2_xxs: CoreRate(gigabytes: 2.8, gigaOperations: 24),
    .tq2_0: CoreRate(gigabytes: 9.5, gigaOperations: 97),
  ]

  /// Formats without a figure of their own stand with their nearest relative.
  private static let relatives: [BlockFormat: BlockFormat] = [
    .iq2_xs: .iq2_xxs, .iq2_s: .iq2_xxs, .iq1_s: .iq2_xxs, .iq1_m: .iq2_xxs, .tq1_0: .tq2_0, .mxfp4: .iq4_nl,
    .q8_1: .q8_0, .q8_k: .q8_0,
  ]

  package static func rate(_ format: StorageFormat) -> CoreRate? {
    guard case .block(let block) = format else { return nil }
    return rates[block] ?? relatives[block].flatMap { rates[$0] }
  }

  /// - Throws: `NoSpeed` for a format that llama.cpp does not read.
  package static func check(_ format: StorageFormat) throws(NoSpeed) {
    guard rate(format) != nil else { throw NoSpeed("llama.cpp has no kernel for \(format.name)") }
  }
}
