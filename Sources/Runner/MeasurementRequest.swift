// SPDX-License-Identifier: Apache-2.0
package import CostModel
package import Evidence
package import Hardware
package import LanguageModel
package import ModelFiles

/// What to measure.
package struct MeasurementRequest: Sendable {
  /// The model with the variant applied, or as its file has it.
  package var model: LanguageModelDescription
  package var variant: String
  /// The file's weights; nil makes synthetic ones.
  package var weights: (any WeightSource)?
  package var workload: Workload
  package var threads: ThreadCounts
  package var mode: Measurement.Mode
  package var samples: Int
  /// Load and run one pass only, for the memory figures.
  package var onlyMemory: Bool
  /// Time each operator of the forward pass.
  package var profiles = false
  /// What measures the energy.
  package var meter = MeterChoice.best
  /// Seconds of rest to measure before the samples, with the model loaded; nil measures none.
  package var idleSeconds: Double?

  /// Many updates of every counter but a battery's.
  package static let usualIdleSeconds = 3.0

  package static let leastSamples = 5

  package init(
    model: LanguageModelDescription, variant: String, weights: (any WeightSource)? = nil, workload: Workload,
    threads: ThreadCounts, mode: Measurement.Mode = .sampled, samples: Int = leastSamples, onlyMemory: Bool = false
  ) {
    self.model = model
    self.variant = variant
    self.weights = weights
    self.workload = workload
    self.threads = threads
    self.mode = mode
    self.samples = samples
    self.onlyMemory = onlyMemory
  }
}
