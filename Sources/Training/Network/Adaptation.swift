// SPDX-License-Identifier: Apache-2.0
package import LanguageModel

/// Which numbers training changes.
package enum Adaptation: Sendable, Equatable {
  /// None: a teacher.
  case frozen
  case allWeights
  /// Low-rank factors beside frozen weights: W + scale · B · A (LoRA, arXiv 2106.09685).
  case lora(LoRASettings)
}

package struct LoRASettings: Sendable, Equatable {
  package var rank: Int
  package var alpha: Double
  package var targets: [TensorRole]

  /// - Parameter alpha: nil takes twice the rank.
  package init(rank: Int, alpha: Double? = nil, targets: [TensorRole] = TensorRole.projections) {
    self.rank = rank
    self.alpha = alpha ?? 2 * Double(rank)
    self.targets = targets
  }

  package var scale: Double { alpha / Double(rank) }
}
