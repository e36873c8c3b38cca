// SPDX-License-Identifier: Apache-2.0

/// What proposals of a draft gain on average.
///
/// A round of k proposals, each accepted with probability a when all before it were, gives 1 + a + … + aᵏ tokens, and takes
/// k tokens of the draft and one pass of the model over k + 1 tokens.
/// - Source: Leviathan, Kalman and Matias, arXiv 2211.17192, equation 1 and theorem 3.8; there a pass over k + 1 tokens
///   takes as long as one over a single token, here it takes `verificationCost` times as long.
package struct SpeculativeDecoding: Sendable, Equatable {
  /// The probability that a judged proposal is accepted, 0 ... 1.
  package var acceptance: Double
  /// Proposals of a round.
  package var draftTokens: Int
  /// A token of the draft over a token of the model, in time.
  package var draftCost: Double
  /// A pass over a round's tokens over a pass over one token, in time.
  package var verificationCost: Double

  package init(acceptance: Double, draftTokens: Int, draftCost: Double, verificationCost: Double) {
    self.acceptance = acceptance
    self.draftTokens = draftTokens
    self.draftCost = draftCost
    self.verificationCost = verificationCost
  }

  /// From the decode steps of three estimates on one platform.
  ///
  /// - Parameter judging: the model's with as many sequences as a round has tokens; nil where a speed is not known.
  package init?(model: CostEstimate, judging: CostEstimate, draft: CostEstimate, acceptance: Double) {
    guard let one = model.decodeTime?.total, let many = judging.decodeTime?.total, let small = draft.decodeTime?.total,
      one > 0
    else { return nil }
    self.init(
      acceptance: acceptance, draftTokens: judging.workload.sequences - 1, draftCost: small / one,
      verificationCost: many / one)
  }

  /// Tokens of a round: (1 − aᵏ⁺¹) / (1 − a).
  package var tokensPerRound: Double {
    var sum = 0.0
    for _ in 0...max(0, draftTokens) { sum = 1 + acceptance * sum }
    return sum
  }

  /// The speed over that of decoding token by token.
  package var speedUp: Double { tokensPerRound / (Double(draftTokens) * draftCost + verificationCost) }
}
