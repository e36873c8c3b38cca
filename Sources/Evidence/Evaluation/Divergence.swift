// SPDX-License-Identifier: Apache-2.0

/// How far a model's next-token distributions are from a reference model's, over the same tokens.
package struct Divergence: Sendable, Equatable {
  /// Kullback-Leibler divergence of the model from the reference, Σ p ln(p / q) with p the reference's, per token in nats.
  private var samples: [Double] = []
  private var agreement = RunningMean()
  /// The reference's own negative log-likelihoods, and by how much the model's exceed them token by token.
  package private(set) var referenceLikelihood = RunningMean()
  private var excess = RunningMean()

  package init() {}

  /// One token: the divergence, whether both put the same token first, and both negative log-likelihoods.
  package mutating func add(_ divergence: Double, agrees: Bool, nats: Double, reference: Double) {
    // The rounding of the sum can fall below zero; a divergence cannot.
    samples.append(max(0, divergence))
    agreement.add(agrees ? 1 : 0)
    referenceLikelihood.add(reference)
    excess.add(nats - reference)
  }

  package var tokens: Int { samples.count }
  package var mean: Estimate? { RunningMean(samples).estimate }
  package var maximum: Double? { samples.max() }
  /// Share of tokens where both models' likeliest token is the same.
  package var topAgreement: Estimate? { agreement.estimate }
  package var referencePerplexity: Estimate? { referenceLikelihood.estimate?.exponential }
  /// ln(perplexity / perplexity of the reference); its error is that of the paired differences, far below that of
  /// either perplexity.
  package var lossIncrease: Estimate? { excess.estimate }

  /// Whether the two perplexities differ by less than twice the standard error of their difference.
  package var isWithinError: Bool? {
    guard let lossIncrease, let error = lossIncrease.standardError else { return nil }
    return abs(lossIncrease.value) <= 2 * error
  }

  /// The values below which so many per cent of the tokens lie, linear between neighbours; nil without samples.
  package func percentiles(_ percents: [Double]) -> [Double]? {
    guard !samples.isEmpty else { return nil }
    let sorted = samples.sorted()
    return percents.map { percent in
      let place = Double(sorted.count - 1) * percent / 100
      let lower = Int(place)
      let upper = min(lower + 1, sorted.count - 1)
      return sorted[lower] + (sorted[upper] - sorted[lower]) * (place - Double(lower))
    }
  }
}
