// SPDX-License-Identifier: Apache-2.0
import Glibc
internal import LanguageModel

/// Chooses the experts of a token from the router's scores.
struct Router {
  struct Choice: Equatable {
    let expert: Int
    let weight: Float
  }

  let rules: RoutingRules
  let experts: Int
  let active: Int

  /// The best `active` experts, best first, with their weights.
  ///
  /// - Parameters:
  ///   - scores: one per expert; overwritten.
  ///   - correction: added to what the choice looks at, not to the weights (DeepSeek-V3).
  func choose(_ scores: UnsafeMutablePointer<Float>, correction: UnsafePointer<Float>?) -> [Choice] {
    switch rules.score {
    case .softmax: Self.softmax(scores, count: experts)
    case .sigmoid: for index in 0..<experts { scores[index] = 1 / (1 + exp(-scores[index])) }
    case .softmaxOfChosen: break
    }
    var ranked = (0..<experts).map { scores[$0] + (correction?[$0] ?? 0) }
    hideGroups(in: &ranked)
    let chosen = Self.best(active, of: ranked)
    return zip(chosen, weights(chosen.map { scores[$0] })).map { Choice(expert: $0, weight: $1) }
  }

  private func weights(_ scores: [Float]) -> [Float] {
    var weights = scores
    if rules.score == .softmaxOfChosen {
      weights.withUnsafeMutableBufferPointer { if let base = $0.baseAddress { Self.softmax(base, count: $0.count) } }
    }
    if rules.normalises {
      let sum = max(weights.reduce(0, +), .leastNormalMagnitude)
      for index in weights.indices { weights[index] /= sum }
    }
    return weights.map { $0 * Float(rules.scale) }
  }

  /// Experts outside of the best groups cannot be chosen. A group is as good as its best expert, or as its best two
  /// together where scores are sigmoids.
  ///
  /// - Source: DeepSeek-V2 (arXiv 2405.04434) and V3 (arXiv 2412.19437), as published in their modelling code.
  private func hideGroups(in ranked: inout [Float]) {
    guard rules.groups > 1, rules.chosenGroups < rules.groups, experts % rules.groups == 0 else { return }
    let size = experts / rules.groups
    let values = (0..<rules.groups).map { group -> Float in
      let members = ranked[group * size..<(group + 1) * size].sorted(by: >)
      return members.prefix(rules.score == .sigmoid ? 2 : 1).reduce(0, +)
    }
    let kept = Set(Self.best(rules.chosenGroups, of: values))
    for index in ranked.indices where !kept.contains(index / size) { ranked[index] = -.infinity }
  }

  /// The indices of the largest values, largest first, the earlier one of equals.
  private static func best(_ count: Int, of values: [Float]) -> [Int] {
    var left = values
    return (0..<min(count, values.count)).map { _ in
      let index = left.indices.max { left[$0] < left[$1] || left[$0] == left[$1] && $0 > $1 } ?? 0
      left[index] = -.infinity
      return index
    }
  }

  private static func softmax(_ x: UnsafeMutablePointer<Float>, count: Int) {
    var largest = -Float.infinity
    for index in 0..<count { largest = max(largest, x[index]) }
    var sum: Float = 0
    for index in 0..<count {
      x[index] = exp(x[index] - largest)
      sum += x[index]
    }
    for index in 0..<count { x[index] /= sum }
  }
}
