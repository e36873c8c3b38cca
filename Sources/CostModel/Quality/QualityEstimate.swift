// SPDX-License-Identifier: Apache-2.0
package import Quantities

/// How much a variant loses against the model as published, as far as published evidence tells.
package struct QualityEstimate: Sendable, Equatable {
  /// Words for a loss, by mean KL divergence to the original, which ln(perplexity ratio) approximates.
  package enum Grade: String, Sendable, CaseIterable, Comparable {
    case indistinguishable, veryGood = "very good", good, noticeable, degraded, broken

    package init(_ loss: LossIncrease) {
      switch loss.nats {
      case ..<0.01: self = .indistinguishable
      case ..<0.03: self = .veryGood
      case ..<0.06: self = .good
      case ..<0.12: self = .noticeable
      case ..<0.35: self = .degraded
      default: self = .broken
      }
    }

    private var rank: Int { Grade.allCases.firstIndex(of: self) ?? 0 }
    package static func < (left: Grade, right: Grade) -> Bool { left.rank < right.rank }
  }

  package var loss: Known<LossIncrease>
  /// Models that the evidence comes from.
  package var models: [String]

  package init(loss: Known<LossIncrease>, models: [String] = []) {
    self.loss = loss
    self.models = models
  }

  package var grade: Grade? { loss.value.map(Grade.init) }
}
