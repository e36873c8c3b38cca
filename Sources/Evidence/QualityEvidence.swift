// SPDX-License-Identifier: Apache-2.0

/// One published figure of what a compression variant loses.
package struct QualityEvidence: Sendable, Equatable {
  /// The variant's name as this program spells it, without a mark for the importance matrix.
  package var variant: String
  package var hasImportanceMatrix: Bool
  package var model: String
  package var parameters: Int?
  /// ln(perplexity / perplexity of the original): nats per token, about the mean KL divergence between 0.003 and 1.
  package var lossIncrease: Double
  package var metric: String
  package var setup: String
  package var source: String

  package init(
    variant: String, hasImportanceMatrix: Bool, model: String, parameters: Int?, lossIncrease: Double,
    metric: String, setup: String, source: String
  ) {
    self.variant = variant
    self.hasImportanceMatrix = hasImportanceMatrix
    self.model = model
    self.parameters = parameters
    self.lossIncrease = lossIncrease
    self.metric = metric
    self.setup = setup
    self.source = source
  }
}
