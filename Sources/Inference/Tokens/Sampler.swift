// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Chooses the next token from its logits, the same way for the same seed.
package struct Sampler: Sendable {
  /// How freely to choose.
  package struct Settings: Sendable, Equatable {
    /// 0 takes the most likely token.
    package var temperature: Double
    /// The most likely tokens that are considered; 0 considers all.
    package var topK: Int
    /// The smallest set of tokens whose probabilities reach this sum (nucleus sampling, arXiv 1904.09751).
    package var topP: Double
    /// Tokens below this share of the best one's probability are dropped.
    package var minP: Double
    package var seed: UInt64

    package init(
      temperature: Double = 0.8, topK: Int = 40, topP: Double = 0.95, minP: Double = 0.05, seed: UInt64 = 1
    ) {
      self.temperature = temperature
      self.topK = topK
      self.topP = topP
      self.minP = minP
      self.seed = seed
    }
  }

  private let settings: Settings
  private var state: UInt64

  package init(_ settings: Settings) {
    self.settings = settings
    state = settings.seed
  }

  /// The next token's id.
  ///
  /// - Parameter logits: (vocabulary); what is not a number is never chosen, unless nothing else is there.
  package mutating func next(_ logits: UnsafeMutableBufferPointer<Float>) -> Int32 {
    guard settings.temperature > 0 else { return Self.greatest(logits) }
    let candidates = self.candidates(logits)
    guard let best = candidates.first else { return 0 }
    var weights = candidates.map { exp((Double($0.logit) - Double(best.logit)) / settings.temperature) }
    let kept = cut(weights)
    weights.removeSubrange(kept...)
    var point = uniform() * weights.reduce(0, +)
    for (index, weight) in weights.enumerated() {
      point -= weight
      if point < 0 { return candidates[index].id }
    }
    return candidates[max(0, weights.count - 1)].id
  }

  private static func greatest(_ logits: UnsafeMutableBufferPointer<Float>) -> Int32 {
    var best = 0
    var value = -Float.infinity
    for (index, logit) in logits.enumerated() where logit > value {
      best = index
      value = logit
    }
    return Int32(best)
  }

  private struct Candidate {
    var id: Int32
    var logit: Float

    /// More likely ones first, equal ones by their ids.
    static func precedes(_ one: Candidate, _ other: Candidate) -> Bool {
      (other.logit, one.id) < (one.logit, other.id)
    }
  }

  /// The most likely tokens in order.
  ///
  /// With a top-k, one pass keeps the best k so far: sorting a vocabulary of 150,000 takes tens of milliseconds, as
  /// long as a token of a small model.
  private func candidates(_ logits: UnsafeMutableBufferPointer<Float>) -> [Candidate] {
    var kept: [Candidate] = []
    let limit = settings.topK > 0 ? min(settings.topK, logits.count) : logits.count
    kept.reserveCapacity(limit + 1)
    let isPartial = limit < logits.count / 8
    for (index, logit) in logits.enumerated() where !logit.isNaN {
      if isPartial, kept.count == limit, let last = kept.last, logit <= last.logit { continue }
      let candidate = Candidate(id: Int32(index), logit: logit)
      guard isPartial else {
        kept.append(candidate)
        continue
      }
      let place = kept.lastIndex { Candidate.precedes($0, candidate) }.map { $0 + 1 } ?? 0
      kept.insert(candidate, at: place)
      if kept.count > limit { kept.removeLast() }
    }
    guard !isPartial else { return kept }
    kept.sort(by: Candidate.precedes)
    return Array(kept.prefix(limit))
  }

  /// How many of the weights, in falling order, may be chosen from.
  private func cut(_ weights: [Double]) -> Int {
    let total = weights.reduce(0, +)
    var sum = 0.0
    for (index, weight) in weights.enumerated() {
      if index > 0, weight < settings.minP { return index }
      sum += weight
      if sum >= settings.topP * total { return index + 1 }
    }
    return weights.count
  }

  /// A number in 0 ..< 1 (SplitMix64).
  private mutating func uniform() -> Double {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return Double((mixed ^ (mixed >> 31)) >> 11) / 9_007_199_254_740_992
  }
}
