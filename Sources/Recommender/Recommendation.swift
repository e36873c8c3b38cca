// SPDX-License-Identifier: Apache-2.0
package import CostModel

/// The answer to "which variant should I use": one choice, with its reasons and what lost against it.
package struct Recommendation: Sendable {
  package struct RunnerUp: Sendable {
    package var estimate: CostEstimate
    /// What it does better and worse than the choice.
    package var comparison: String
  }
  package struct RuledOut: Sendable {
    package var estimate: CostEstimate
    package var refusal: Refusal
  }

  /// Nil when everything was ruled out.
  package var choice: CostEstimate?
  package var reasons: [String]
  package var runnersUp: [RunnerUp]
  package var ruledOut: [RuledOut]
  package var front: [CostEstimate]
  /// What the literature warns of for this choice.
  package var warnings: [String]
  package var deploy: [Deployment]
}

/// A command that brings the choice to life, and what it does.
package struct Deployment: Sendable, Equatable {
  package var purpose: String
  package var command: String
  package init(purpose: String, command: String) {
    self.purpose = purpose
    self.command = command
  }
}
