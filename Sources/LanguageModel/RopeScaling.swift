// SPDX-License-Identifier: Apache-2.0
internal import Quantities

/// How Llama 3.1 and its successors stretch rotary positions: slow frequencies are divided, fast ones kept, those in
/// between blended.
///
/// - Source: `rope_scaling` of type `llama3` in the published configurations.
package struct RopeScaling: Sendable, Equatable {
  package var factor: Double
  package var lowFrequencyFactor: Double
  package var highFrequencyFactor: Double
  package var originalContext: Double

  package init(
    factor: Double, lowFrequencyFactor: Double, highFrequencyFactor: Double, originalContext: Double
  ) {
    self.factor = factor
    self.lowFrequencyFactor = lowFrequencyFactor
    self.highFrequencyFactor = highFrequencyFactor
    self.originalContext = originalContext
  }

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
