// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// The learning rate of each step: a linear rise, then half a cosine down to a tenth.
package struct RateSchedule: Sendable, Equatable {
  package var peak: Double
  package var steps: Int
  package var warmupSteps: Int
  /// The last step's share of the peak.
  package var end = 0.1

  package init(peak: Double, steps: Int, warmupSteps: Int) {
    self.peak = peak
    self.steps = steps
    self.warmupSteps = warmupSteps
  }

  /// - Parameter step: from 0.
  package func rate(at step: Int) -> Double {
    if step < warmupSteps { return peak * Double(step + 1) / Double(warmupSteps) }
    let done = Double(step - warmupSteps) / Double(max(1, steps - 1 - warmupSteps))
    return peak * (end + (1 - end) * 0.5 * (1 + cos(Double.pi * min(1, done))))
  }
}
