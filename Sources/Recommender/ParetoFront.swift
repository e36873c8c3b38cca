// SPDX-License-Identifier: Apache-2.0
package import CostModel
internal import Quantities

/// The estimates that no other one beats in memory, decode speed, energy per token and loss at once.
package struct ParetoFront: Sendable {
  package let members: [CostEstimate]

  /// Estimates with an unknown figure are left out: nothing can be said about them. Energy counts where any is known.
  package init(_ estimates: [CostEstimate]) {
    let countsEnergy = estimates.contains { $0.energyPerToken.value != nil }
    let points = estimates.compactMap { estimate in
      Self.costs(estimate, countsEnergy: countsEnergy).map { (estimate, $0) }
    }
    members = points.enumerated().filter { index, point in
      !points.enumerated().contains { other, rival in
        Self.dominates(rival.1, point.1) || rival.1 == point.1 && other < index
      }
    }.map(\.element.0)
  }

  /// Three figures or four, smaller is better; a loss that nobody can tell from none counts as none.
  private static func costs(_ estimate: CostEstimate, countsEnergy: Bool) -> [Double]? {
    guard let memory = estimate.memory.total.value, let rate = estimate.decode.value,
      let told = Objective.toldLoss(estimate)
    else { return nil }
    let costs = [memory.magnitude, -rate.magnitude, told]
    guard countsEnergy else { return costs }
    return estimate.energyPerToken.value.map { costs + [$0.joules] }
  }

  private static func dominates(_ left: [Double], _ right: [Double]) -> Bool {
    zip(left, right).allSatisfy { $0 <= $1 } && left != right
  }
}
