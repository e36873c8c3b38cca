// SPDX-License-Identifier: Apache-2.0
package import CostModel
internal import Quantities

/// Chooses among the estimates of one model's variants.
package struct Recommender: Sendable {
  package let platform: Platform
  package let objective: Objective
  package let constraints: Constraints
  static let runnersUpCount = 4

  package init(platform: Platform, objective: Objective = .balanced, constraints: Constraints = Constraints()) {
    self.platform = platform
    self.objective = objective
    self.constraints = constraints
  }

  /// The best index among `estimates` that satisfy the constraints; nil when none does.
  ///
  /// A loss worse than the objective tolerates, or an unknown figure, stands back behind everything else; among those
  /// the least loss counts. What is still equal is decided by memory.
  package func best(of estimates: [CostEstimate]) -> Int? {
    var best: (index: Int, rank: Rank)?
    for (index, estimate) in estimates.enumerated() where constraints.refusal(estimate, on: platform) == nil {
      let rank = self.rank(estimate)
      if best.map({ rank < $0.rank }) ?? true { best = (index, rank) }
    }
    return best?.index
  }

  /// Smaller is better, the first place first.
  private typealias Rank = (stands: Int, score: Double, bytes: Double)

  private func rank(_ estimate: CostEstimate) -> Rank {
    let bytes = estimate.memory.total.value?.magnitude ?? .greatestFiniteMagnitude
    if let score = objective.score(estimate), objective.tolerates(estimate.quality.grade) {
      return (0, score, bytes)
    }
    return (1, Objective.toldLoss(estimate) ?? .greatestFiniteMagnitude, bytes)
  }

  package func recommendation(from estimates: [CostEstimate]) -> Recommendation {
    var allowed: [CostEstimate] = []
    var ruledOut: [Recommendation.RuledOut] = []
    for estimate in estimates {
      if let refusal = constraints.refusal(estimate, on: platform) {
        ruledOut.append(.init(estimate: estimate, refusal: refusal))
      } else {
        allowed.append(estimate)
      }
    }
    let ranked = ranking(of: allowed)
    let front = ParetoFront(allowed).members
    guard let choice = ranked.first else {
      return Recommendation(
        choice: nil, reasons: [], runnersUp: [], ruledOut: ruledOut, front: front, warnings: [], deploy: [])
    }
    let rest = ranked.dropFirst().filter { rival in front.contains { $0.variant == rival.variant } }
    let runnersUp = rest.prefix(Self.runnersUpCount).map {
      Recommendation.RunnerUp(estimate: $0, comparison: Comparison(of: $0, with: choice).sentence)
    }
    let words = Reasons(choice: choice, platform: platform, objective: objective)
    return Recommendation(
      choice: choice, reasons: words.reasons, runnersUp: Array(runnersUp), ruledOut: ruledOut, front: front,
      warnings: words.warnings, deploy: Deployment.commands(for: choice, on: platform))
  }

  private func ranking(of estimates: [CostEstimate]) -> [CostEstimate] {
    var rest = estimates
    var ranked: [CostEstimate] = []
    while let index = best(of: rest) { ranked.append(rest.remove(at: index)) }
    return ranked
  }
}
