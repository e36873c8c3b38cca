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
  /// Rounds the matrices beside which adapters are trained first: QLoRA (arXiv 2305.14314). Nil leaves them as stored.
  package var base: FrozenBase?

  /// - Parameter alpha: nil takes twice the rank.
  package init(
    rank: Int, alpha: Double? = nil, targets: [TensorRole] = TensorRole.projections, base: FrozenBase? = nil
  ) {
    self.rank = rank
    self.alpha = alpha ?? 2 * Double(rank)
    self.targets = targets
    self.base = base
  }

  package var scale: Double { alpha / Double(rank) }
}

/// What frozen matrices are rounded to when a training begins.
package enum FrozenBase: String, Sendable, CaseIterable {
  case nf4, fp4

  var format: RuntimeFormat { self == .nf4 ? .normalFloat4 : .float4 }
}
