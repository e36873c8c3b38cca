// SPDX-License-Identifier: Apache-2.0
internal import Quantities

/// How queries and keys are rotated by their position (RoFormer, arXiv 2104.09864).
package struct RopeRules: Sendable, Equatable {
  package enum Pairing: Sendable, Equatable {
    /// Neighbours (2i, 2i+1) rotate together: GGUF files of the llama family.
    case neighbours
    /// Halves (i, i+n/2) rotate together: GPT-NeoX style, and Hugging Face's own llama weights.
    case halves
  }

  package var base: Double
  /// Rotated elements per head, the first ones; nil means all of them.
  package var width: Int?
  package var pairing: Pairing
  package var scaling: RopeScaling

  package init(
    base: Double = 10_000, width: Int? = nil, pairing: Pairing = .halves, scaling: RopeScaling = .none
  ) {
    self.base = base
    self.width = width
    self.pairing = pairing
    self.scaling = scaling
  }
}

/// How positions are stretched beyond the context of the training.
package enum RopeScaling: Sendable, Equatable {
  case none
  /// All positions are divided by the factor.
  case linear(factor: Double)
  case llama3(Llama3RopeScaling)
  case yarn(YarnRopeScaling)
  case longRope(LongRopeScaling)
}

/// How Llama 3.1 and its successors stretch rotary positions: slow frequencies are divided, fast ones kept, those in
/// between blended. GGUF files carry the resulting divisors as a tensor.
///
/// - Source: `rope_scaling` of type `llama3` in the published configurations.
package struct Llama3RopeScaling: Sendable, Equatable {
  package var factor: Double
  package var lowFrequencyFactor: Double
  package var highFrequencyFactor: Double
  package var originalContext: Double

  /// What each of the `width / 2` frequencies of a head is divided by: the numbers of a GGUF file's `rope_freqs`.
  package func divisors(width: Int, base: Double) -> [Double] {
    (0..<width / 2).map { pair in
      let wavelength = 2 * Double.pi * Logarithm.exponential(Logarithm.natural(base) * Double(2 * pair) / Double(width))
      if wavelength < originalContext / highFrequencyFactor { return 1 }
      if wavelength > originalContext / lowFrequencyFactor { return factor }
      let turns = originalContext / wavelength
      let share = (turns - lowFrequencyFactor) / (highFrequencyFactor - lowFrequencyFactor)
      return 1 / ((1 - share) / factor + share)
    }
  }
}

/// YaRN (arXiv 2309.00071): frequencies that turn more than `betaFast` times within the original context stay, those
/// that turn less than `betaSlow` times are divided by the factor, those in between blended.
package struct YarnRopeScaling: Sendable, Equatable {
  package var factor: Double
  package var originalContext: Double
  package var betaFast = 32.0
  package var betaSlow = 1.0
  /// Multiplies cosines and sines; nil means 1 + 0.1 · ln(factor).
  package var magnitude: Double?
  /// The two bounds are rounded outwards to whole frequencies.
  package var roundsBounds = true

  package init(factor: Double, originalContext: Double) {
    self.factor = factor
    self.originalContext = originalContext
  }
}

/// LongRoPE (arXiv 2402.13753): each frequency has a divisor for short and one for long contexts. GGUF files carry
/// both as tensors.
package struct LongRopeScaling: Sendable, Equatable {
  /// Contexts beyond it take the long divisors.
  package var originalContext: Int
  /// Multiplies cosines and sines.
  package var magnitude: Double
  /// The divisors, where the configuration lists them.
  package var shortFactors: [Double] = []
  package var longFactors: [Double] = []

  package init(originalContext: Int, magnitude: Double) {
    self.originalContext = originalContext
    self.magnitude = magnitude
  }
}
