// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@testable import Inference

@Suite struct `Sampling properties` {
  private static func logits(_ count: Int, seed: UInt64, spread: Float = 6) -> [Float] {
    var random = SeededRandom(seed: seed)
    return (0..<count).map { _ in Float.random(in: -spread...spread, using: &random) }
  }

  private static func distribution(_ settings: Sampler.Settings, _ logits: [Float]) -> [Sampler.Candidate] {
    var logits = logits
    return logits.withUnsafeMutableBufferPointer { Sampler(settings).distribution($0) }
  }

  private static func next(_ sampler: inout Sampler, _ logits: [Float]) -> Int32 {
    var logits = logits
    return logits.withUnsafeMutableBufferPointer { sampler.next($0) }
  }

  private static func settings(_ change: (inout Sampler.Settings) -> Void) -> Sampler.Settings {
    var settings = Sampler.Settings(temperature: 1, topK: 0, topP: 1, minP: 0, seed: 1)
    change(&settings)
    return settings
  }

  /// Probabilities by the definition, of all logits.
  private static func softmax(_ logits: [Float]) -> [Double] {
    let weights = logits.map { exp(Double($0)) }
    let total = weights.reduce(0, +)
    return weights.map { $0 / total }
  }

  private static let kinds: [@Sendable (inout Sampler.Settings) -> Void] = [
    { _ in }, { $0.topK = 7 }, { $0.topP = 0.5 }, { $0.minP = 0.2 }, { $0.typicalP = 0.4 }, { $0.temperature = 0.1 },
    { $0.temperature = 9 }, { $0.mirostat = .init(target: 3) },
    {
      $0.topK = 50
      $0.typicalP = 0.9
      $0.topP = 0.8
      $0.minP = 0.01
      $0.temperature = 0.7
    },
  ]

  @Test func `whatever the cuts, the probabilities add up to one and fall`() {
    for seed in 0..<20 {
      for (index, change) in Self.kinds.enumerated() {
        let candidates = Self.distribution(Self.settings(change), Self.logits(300, seed: UInt64(seed)))
        let total = candidates.reduce(0) { $0 + $1.probability }
        // Each of n quotients and sums is off by at most half a unit in the last place.
        #expect(abs(total - 1) <= 2 * Double(candidates.count) * Double.ulpOfOne, "kind \(index)")
        #expect(zip(candidates, candidates.dropFirst()).allSatisfy { $0.probability >= $1.probability })
        #expect(Set(candidates.map(\.id)).count == candidates.count && !candidates.isEmpty)
      }
    }
  }

  @Test func `each cut leaves what its definition says`() {
    for seed in 0..<20 {
      let logits = Self.logits(300, seed: UInt64(seed))
      let all = Self.softmax(logits)
      let falling = all.sorted(by: >)
      #expect(Self.distribution(Self.settings { $0.topK = 7 }, logits).count == 7)
      let nucleus = Self.distribution(Self.settings { $0.topP = 0.6 }, logits).count
      #expect(falling.prefix(nucleus).reduce(0, +) >= 0.6 - 1e-12)
      #expect(falling.prefix(nucleus - 1).reduce(0, +) < 0.6)
      let kept = Self.distribution(Self.settings { $0.minP = 0.1 }, logits).map(\.id)
      #expect(Set(kept) == Set(all.indices.filter { all[$0] >= 0.1 * falling[0] }.map { Int32($0) }))
      let entropy = -all.reduce(0) { $0 + $1 * log($1) }
      let typical = Set(Self.distribution(Self.settings { $0.typicalP = 0.5 }, logits).map { Int($0.id) })
      let farthest = typical.map { abs(-log(all[$0]) - entropy) }.max() ?? 0
      #expect(typical.reduce(0) { $0 + all[$1] } >= 0.5 - 1e-12)
      #expect(all.indices.allSatisfy { typical.contains($0) || abs(-log(all[$0]) - entropy) >= farthest })
    }
  }

  @Test func `the cuts see the model's own probabilities and the temperature only what they leave`() {
    let logits = Self.logits(200, seed: 4)
    let cold = Self.distribution(
      Self.settings {
        $0.topP = 0.9
        $0.temperature = 0.2
      }, logits)
    let hot = Self.distribution(
      Self.settings {
        $0.topP = 0.9
        $0.temperature = 5
      }, logits)
    #expect(cold.map(\.id) == hot.map(\.id))
    #expect(cold[0].probability > hot[0].probability)
  }

  @Test func `draws come as often as the distribution says, whatever shaped it`() {
    for (index, change) in Self.kinds.enumerated() where index != 7 {
      let settings = Self.settings(change)
      let logits = Self.logits(12, seed: 9, spread: 2)
      let expected = Self.distribution(settings, logits)
      var sampler = Sampler(settings)
      var counts: [Int32: Double] = [:]
      let draws = 4000
      for _ in 0..<draws { counts[Self.next(&sampler, logits), default: 0] += 1 }
      for candidate in expected {
        let mean = candidate.probability * Double(draws)
        // Hoeffding: a fair count strays this far from its mean once in 10^12 tries.
        let bound = (Double(draws) * log(2e12) / 2).squareRoot()
        #expect(abs((counts[candidate.id] ?? 0) - mean) <= bound, "kind \(index), token \(candidate.id)")
      }
      #expect(Set(counts.keys).isSubset(of: Set(expected.map(\.id))))
    }
  }

  @Test func `penalties follow their formulas for the tokens in the window alone`() {
    let settings = Self.settings {
      $0.temperature = 0
      $0.penalties = .init(window: 3, repetition: 2, frequency: 0.25, presence: 0.5)
    }
    var sampler = Sampler(settings)
    sampler.note([0, 1, 1, 2])
    var logits: [Float] = [4, 4, -1, 0.5]
    let chosen = logits.withUnsafeMutableBufferPointer { sampler.next($0) }
    // Token 0 left the window; 1 stands there twice; 2 is negative and is multiplied.
    // 4 / 2 - 2 * 0.25 - 0.5 and -1 * 2 - 0.25 - 0.5
    let expected: [Float] = [4, 1, -2.75, 0.5]
    #expect(logits == expected)
    #expect(chosen == 0)
  }

  @Test func `a chosen token counts as there`() {
    var sampler = Sampler(
      Self.settings {
        $0.temperature = 0
        $0.penalties = .init(presence: 10)
      })
    #expect((0..<3).map { _ in Self.next(&sampler, [3, 2, 1]) } == [0, 1, 2])
  }

  @Test func `mirostat holds the surprise that it is told to hold`() {
    let logits = Self.logits(400, seed: 2, spread: 3)
    let settings = Self.settings { $0.mirostat = .init(target: 4, rate: 0.2) }
    let whole = Self.softmax(logits)
    var sampler = Sampler(settings)
    for _ in 0..<300 { _ = Self.next(&sampler, logits) }
    var surprise = 0.0
    var buffer = logits
    for _ in 0..<2000 {
      buffer.withUnsafeMutableBufferPointer { buffer in
        let candidates = sampler.distribution(buffer)
        let token = sampler.next(buffer)
        let share: Double = candidates.first { $0.id == token }?.probability ?? 1
        surprise -= log2(share)
      }
    }
    // The limit moves by rate × (mean − target) × draws and cannot leave 0 ... the greatest surprise of a token.
    let reach = -log2(whole.min() ?? 1)
    #expect(abs(surprise / 2000 - 4) <= reach / (0.2 * 2000))
  }

  @Test func `infinite logits and none at all give a token and no trap`() {
    for logits in [[Float.infinity, 1, .infinity], [-.infinity, -.infinity], [.nan, -.infinity, 3], [.nan], [5]] {
      for change in Self.kinds {
        var sampler = Sampler(Self.settings(change))
        let token = Self.next(&sampler, logits)
        #expect((0..<Int32(logits.count)).contains(token))
      }
    }
  }
}
