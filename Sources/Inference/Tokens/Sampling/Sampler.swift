// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Chooses the next token from its logits, the same way for the same seed.
///
/// In this order: penalties for what was there already, top-k, typical, top-p, min-p, temperature, and a draw. The cuts see the
/// model's own probabilities; the temperature changes only how freely it chooses among what they leave.
package struct Sampler: Sendable {
  /// A token that may be chosen.
  package struct Candidate: Equatable, Sendable {
    var id: Int32
    var logit: Float
    /// Of all that may be chosen together: 1.
    var probability = 0.0

    /// More likely ones first, equal ones by their ids.
    static func precedes(_ one: Candidate, _ other: Candidate) -> Bool {
      (other.logit, one.id) < (one.logit, other.id)
    }
  }

  private let settings: Settings
  private var state: UInt64
  /// The last tokens, the oldest first.
  private var recent: [Int32] = []
  /// Mirostat's greatest allowed surprise, in bits.
  private var surpriseLimit: Double

  package init(_ settings: Settings) {
    self.settings = settings
    state = settings.seed
    surpriseLimit = 2 * (settings.mirostat?.target ?? 0)
  }

  /// Takes note of tokens that were not chosen here: the prompt's.
  package mutating func note(_ tokens: [Int32]) {
    guard settings.penalties.isActive else { return }
    recent = Array((recent + tokens).suffix(settings.penalties.window))
  }

  /// The next token's id.
  ///
  /// - Parameter logits: (vocabulary); what is not a number is never chosen, unless nothing else is there. The
  ///   penalties are taken from them in place.
  package mutating func next(_ logits: UnsafeMutableBufferPointer<Float>) -> Int32 { choose(logits).token }

  /// The next token where a draft may have proposed one, and what it was chosen from.
  mutating func choose(_ logits: UnsafeMutableBufferPointer<Float>, judging draft: Draft? = nil) -> Draft {
    penalize(logits)
    guard settings.temperature > 0 else {
      let token = Self.greatest(logits)
      note([token])
      return Draft(token: token, candidates: [Candidate(id: token, logit: 0, probability: 1)])
    }
    let candidates = distribution(logits)
    let token = draft.map { judged($0, candidates) } ?? drawn(from: candidates)
    note([token])
    adapt(candidates.first { $0.id == token }?.probability ?? 0)
    return Draft(token: token, candidates: candidates)
  }

  /// The draft's token as often as these candidates are as likely to give it, else one that the draft was too unlikely to
  /// propose: the tokens are distributed as if there were no draft.
  ///
  /// - Source: Leviathan, Kalman and Matias, arXiv 2211.17192, section 2.3 and appendix A.1.
  private mutating func judged(_ draft: Draft, _ candidates: [Candidate]) -> Int32 {
    let proposed = Dictionary(draft.candidates.map { ($0.id, $0.probability) }, uniquingKeysWith: { first, _ in first })
    let own = candidates.first { $0.id == draft.token }?.probability ?? 0
    if uniform() * (proposed[draft.token] ?? 1) < own { return draft.token }
    var rest = candidates.map { candidate in
      var rest = candidate
      rest.probability = max(0, candidate.probability - (proposed[candidate.id] ?? 0))
      return rest
    }
    let total = rest.reduce(0) { $0 + $1.probability }
    // Nothing is left where both distributions are equal but for rounding.
    guard total > 0 else { return drawn(from: candidates) }
    for index in rest.indices { rest[index].probability /= total }
    return drawn(from: rest.filter { $0.probability > 0 })
  }

  /// Chooses as another one in its place, but by draws of its own.
  mutating func follow(_ other: Sampler) {
    recent = other.recent
    surpriseLimit = other.surpriseLimit
  }

  /// One that shares no draw with this one.
  var independent: Sampler {
    var other = self
    other.state ^= 0x6472_6166_7465_7273
    return other
  }

  private func penalize(_ logits: UnsafeMutableBufferPointer<Float>) {
    let penalties = settings.penalties
    guard penalties.isActive else { return }
    let counts = recent.reduce(into: [Int32: Int]()) { $0[$1, default: 0] += 1 }
    for (token, count) in counts where logits.indices.contains(Int(token)) {
      let logit = Double(logits[Int(token)])
      let repeated = logit > 0 ? logit / penalties.repetition : logit * penalties.repetition
      logits[Int(token)] = Float(repeated - Double(count) * penalties.frequency - penalties.presence)
    }
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

  /// The tokens that may be chosen, in falling order, and how likely each is.
  func distribution(_ logits: UnsafeMutableBufferPointer<Float>) -> [Candidate] {
    var candidates = candidates(logits)
    if settings.mirostat != nil {
      Self.normalize(&candidates, temperature: settings.temperature)
      return Self.cut(candidates, aboveSurprise: surpriseLimit)
    }
    Self.normalize(&candidates)
    if settings.typicalP < 1 { candidates = Self.typical(candidates, settings.typicalP) }
    candidates.removeSubrange(cut(candidates)...)
    Self.normalize(&candidates, temperature: settings.temperature)
    return candidates
  }

  /// Gives each candidate its share: the softmax of the logits over the temperature.
  private static func normalize(_ candidates: inout [Candidate], temperature: Double = 1) {
    guard let best = candidates.first?.logit else { return }
    var total = 0.0
    for index in candidates.indices {
      // Of an infinite logit and itself the difference is no number.
      let distance = candidates[index].logit == best ? 0 : Double(candidates[index].logit) - Double(best)
      candidates[index].probability = exp(distance / temperature)
      total += candidates[index].probability
    }
    for index in candidates.indices { candidates[index].probability /= total }
  }

  private static func surprise(_ probability: Double) -> Double { -log2(probability) }

  /// Mirostat's cut; the most likely token stays.
  private static func cut(_ candidates: [Candidate], aboveSurprise limit: Double) -> [Candidate] {
    let count = candidates.firstIndex { surprise($0.probability) > limit } ?? candidates.count
    var kept = Array(candidates.prefix(max(1, count)))
    let total = kept.reduce(0) { $0 + $1.probability }
    for index in kept.indices { kept[index].probability /= total }
    return kept
  }

  private static func typical(_ candidates: [Candidate], _ share: Double) -> [Candidate] {
    let surprises = candidates.map { $0.probability > 0 ? -log($0.probability) : .infinity }
    let entropy = zip(candidates, surprises).reduce(0) { $1.1.isFinite ? $0 + $1.0.probability * $1.1 : $0 }
    let order = candidates.indices.sorted {
      (abs(surprises[$0] - entropy), $0) < (abs(surprises[$1] - entropy), $1)
    }
    var sum = 0.0
    var count = 0
    while count < order.count, sum < share {
      sum += candidates[order[count]].probability
      count += 1
    }
    return order.prefix(max(1, count)).sorted().map { candidates[$0] }
  }

  /// How many of the candidates, in falling order, top-p and min-p leave.
  private func cut(_ candidates: [Candidate]) -> Int {
    guard let best = candidates.first?.probability else { return 0 }
    let total = candidates.reduce(0) { $0 + $1.probability }
    var sum = 0.0
    for (index, candidate) in candidates.enumerated() {
      if index > 0, candidate.probability < settings.minP * best { return index }
      sum += candidate.probability
      if sum >= settings.topP * total { return index + 1 }
    }
    return candidates.count
  }

  private mutating func drawn(from candidates: [Candidate]) -> Int32 {
    var point = uniform()
    let chosen =
      candidates.first { candidate in
        point -= candidate.probability
        return point < 0
      } ?? candidates.last
    return chosen?.id ?? 0
  }

  /// Mirostat's limit follows how surprising the chosen token was.
  private mutating func adapt(_ probability: Double) {
    guard let mirostat = settings.mirostat, probability > 0 else { return }
    surpriseLimit -= mirostat.rate * (Self.surprise(probability) - mirostat.target)
  }

  /// The most likely tokens in order.
  ///
  /// With a top-k, one pass keeps the best k so far: sorting a vocabulary of 150,000 takes tens of milliseconds, as
  /// long as a token of a small model.
  private func candidates(_ logits: UnsafeMutableBufferPointer<Float>) -> [Candidate] {
    var kept: [Candidate] = []
    let isLimited = settings.topK > 0 && settings.mirostat == nil
    let limit = isLimited ? min(settings.topK, logits.count) : logits.count
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

  /// A number in 0 ..< 1 (SplitMix64).
  private mutating func uniform() -> Double {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return Double((mixed ^ (mixed >> 31)) >> 11) / 9_007_199_254_740_992
  }
}
