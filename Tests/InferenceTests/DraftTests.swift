// SPDX-License-Identifier: Apache-2.0
import CostModel
import Foundation
import LanguageModel
import ModelFiles
import Quantities
import TestSupport
import Testing

@testable import Inference

/// The trained model of the tests, whole or with its first layers only: a draft that is often right.
private struct Story {
  let description: LanguageModelDescription
  let weights: any WeightSource
  let tokenizer: Tokenizer

  init() throws {
    let path = try Stories.path("stories260K-f32.gguf")
    let file = try ModelFile.open(path)
    description = file.description
    weights = try #require(file.weights)
    tokenizer = try Tokenizer(try #require(file.metadata), path: path)
  }

  func session(
    layers: Int = .max, context: Int = 128, draftTokens: Int = 0, kernels: KernelSet = .best, _ pool: ThreadPool
  ) throws -> InferenceSession {
    var architecture = description.architecture
    architecture.layers = Array(architecture.layers.prefix(layers))
    var workload = Workload(contextTokens: context, keyValueFormat: .f32)
    workload.draftTokens = draftTokens
    return try InferenceSession(
      architecture: architecture, weights: weights, workload: workload, kernels: kernels, pool: pool)
  }
}

@Suite struct DraftTests {
  private func withoutCounts(_ result: TextGenerator.Result) -> TextGenerator.Result {
    var result = result
    result.drafting = nil
    return result
  }

  @Test func `greedy texts are the same with drafts of any quality and length, up to a full context`() throws {
    let story = try Story()
    let prompt = story.tokenizer.encode("Once upon a time", addsSpecial: true, parsesSpecial: true)
    let greedy = Sampler(.init(temperature: 0))
    try withPool(2) { pool in
      for kernels in runnableKernels() {
        let plain = try TextGenerator(
          session: try story.session(context: 60, kernels: kernels, pool), tokenizer: story.tokenizer, sampler: greedy
        ).generate(prompt, count: 100)
        #expect(plain.stop == .contextFull)
        for (layers, count) in [(5, 4), (1, 1), (4, 7)] {
          let draft = try story.session(layers: layers, context: 50, kernels: kernels, pool)
          let session = try story.session(context: 60, draftTokens: count, kernels: kernels, pool)
          let drafted = try TextGenerator(
            session: session, tokenizer: story.tokenizer, sampler: greedy,
            drafter: Drafter(.model(draft), count: count)
          ).generate(prompt, count: 100)
          #expect(withoutCounts(drafted) == plain, "\(kernels.name), \(layers) layers")
          let drafting = try #require(drafted.drafting)
          #expect(drafting.proposed >= drafting.judged && drafting.judged >= drafting.accepted)
          // The model agrees with itself.
          if layers == 5 { #expect(drafting.acceptance == 1 && drafting.accepted > 0) }
        }
      }
    }
  }

  @Test func `a text of a given length stops there, and what was looked up changes nothing`() throws {
    let story = try Story()
    let prompt = story.tokenizer.encode("Lily and Tom", addsSpecial: true, parsesSpecial: true)
    try withPool(1) { pool in
      for count in [1, 2, 6, 70] {
        let plain = try TextGenerator(
          session: try story.session(pool), tokenizer: story.tokenizer, sampler: Sampler(.init(temperature: 0))
        ).generate(prompt, count: count)
        let session = try story.session(draftTokens: 3, pool)
        let drafted = try TextGenerator(
          session: session, tokenizer: story.tokenizer, sampler: Sampler(.init(temperature: 0)),
          drafter: Drafter(.lookup, count: 3)
        ).generate(prompt, count: count)
        #expect(withoutCounts(drafted) == plain)
        // The last token has not run.
        #expect(session.length() == prompt.count + count - 1)
      }
    }
  }

  @Test func `several rows of one sequence give the bits of each token alone, within a window too`() throws {
    for window in [nil, 5] {
      let architecture = smallArchitecture(window: window)
      let inventory = smallInventory(architecture, .q8_0)
      try withPool(2) { pool in
        for kernels in runnableKernels() where kernels.multipliesFew {
          var workload = Workload(contextTokens: 96, keyValueFormat: .f16)
          workload.draftTokens = 4
          let weights = try SyntheticWeights(inventory: inventory, seed: 3, pool: pool)
          let (one, many) = (
            try InferenceSession(
              architecture: architecture, weights: weights, workload: workload, kernels: kernels, pool: pool),
            try InferenceSession(
              architecture: architecture, weights: weights, workload: workload, kernels: kernels, pool: pool)
          )
          let prompt = (0..<37).map { Int32($0 * 7 % 96) }
          try one.run(prompt)
          try many.run(prompt)
          let tokens: [Int32] = [4, 8, 15, 16, 23]
          let together = try many.logits(after: tokens, rows: tokens.count).map { Array($0) }
          for (index, token) in tokens.enumerated() {
            #expect(Array(try one.logits(after: [token])) == together[index], "\(kernels.name), \(index)")
          }
        }
      }
    }
  }

  /// With probability of at least 1 − e⁻¹⁴ the shares of `draws` draws from `kinds` outcomes are nearer to their
  /// probabilities than this, in the sum of differences (Bretagnolle, Huber and Carol).
  private func bound(kinds: Int, draws: Int) -> Double {
    (2 * (Double(kinds) * log(2) + 14) / Double(draws)).squareRoot()
  }

  @Test(arguments: [
    Sampler.Settings(temperature: 1, topK: 0, topP: 1, minP: 0, seed: 5),
    Sampler.Settings(temperature: 0.7, topK: 5, topP: 0.9, minP: 0, seed: 6),
  ])
  func `judged proposals are distributed as the model's own choice`(settings: Sampler.Settings) throws {
    let kinds = 8
    let draws = 20_000
    var random = SeededRandom(seed: 11)
    for _ in 0..<3 {
      var own = (0..<kinds).map { _ in Float.random(in: -2...2, using: &random) }
      var other = (0..<kinds).map { _ in Float.random(in: -2...2, using: &random) }
      var sampler = Sampler(settings)
      var drafter = sampler.independent
      var expected = [Double](repeating: 0, count: kinds)
      var proposed = expected
      own.withUnsafeMutableBufferPointer { logits in
        for candidate in sampler.distribution(logits) { expected[Int(candidate.id)] = candidate.probability }
      }
      var counts = expected.map { _ in 0.0 }
      for _ in 0..<draws {
        let draft = other.withUnsafeMutableBufferPointer { drafter.choose($0) }
        proposed[Int(draft.token)] += 1 / Double(draws)
        let token = own.withUnsafeMutableBufferPointer { sampler.choose($0, judging: draft).token }
        counts[Int(token)] += 1 / Double(draws)
      }
      func distance(_ shares: [Double]) -> Double { zip(shares, expected).reduce(0) { $0 + abs($1.0 - $1.1) } }
      #expect(distance(counts) < bound(kinds: kinds, draws: draws))
      #expect(distance(proposed) > 2 * bound(kinds: kinds, draws: draws), "the draft is not the model")
    }
  }

  @Test func `pairs of sampled tokens come as often as the model's probabilities say, whoever drafts`() throws {
    let story = try Story()
    let settings = Sampler.Settings(temperature: 1.5, topK: 3, topP: 1, minP: 0, seed: 1)
    let prompt = story.tokenizer.encode("The", addsSpecial: true, parsesSpecial: true)
    let draws = 1_500
    try withPool(1) { pool in
      let session = try story.session(context: 24, draftTokens: 2, pool)
      func candidates(_ tokens: [Int32]) throws -> [Sampler.Candidate] {
        session.truncate()
        return Sampler(settings).distribution(try session.logits(after: tokens))
      }
      var expected: [[Int32]: Double] = [:]
      for first in try candidates(prompt) {
        for second in try candidates(prompt + [first.id]) {
          expected[[first.id, second.id]] = first.probability * second.probability
        }
      }
      let draft = try story.session(layers: 2, context: 24, pool)
      for source in [Drafter.Source.model(draft), .lookup] {
        var counts: [[Int32]: Double] = [:]
        for seed in 0..<draws {
          var own = settings
          own.seed = UInt64(seed) &* 0x2545_F491_4F6C_DD1D
          let text = try TextGenerator(
            session: session, tokenizer: story.tokenizer, sampler: Sampler(own), drafter: Drafter(source, count: 2)
          ).generate(prompt, count: 3)
          counts[Array(text.tokens.prefix(2)), default: 0] += 1 / Double(draws)
        }
        let distance = Set(expected.keys).union(counts.keys).reduce(0) { sum, pair in
          sum + abs((expected[pair] ?? 0) - (counts[pair] ?? 0))
        }
        #expect(distance < bound(kinds: 9, draws: draws))
      }
    }
  }

  @Test func `lookup proposes what followed the longest known end, where it stood last`() {
    func proposal(_ tokens: [Int32], _ count: Int) -> [Int32] { Drafter.lookup(tokens, count: count).map(\.token) }
    #expect(proposal([1, 2, 3, 9, 4, 2, 3, 8, 5, 1, 2, 3], 2) == [9, 4])
    #expect(proposal([7, 3, 5, 6, 3, 8, 3], 3) == [8, 3])
    #expect(proposal([1, 2, 3], 3).isEmpty)
    #expect(proposal([4, 4], 3) == [4])
    #expect(proposal([4], 3).isEmpty)
    #expect(proposal([], 3).isEmpty)
  }

  @Test func `the plan has room for the logits of all proposals`() throws {
    let architecture = smallArchitecture()
    var workload = Workload(contextTokens: 16, sequences: 2, microBatch: 4)
    workload.draftTokens = 3
    let plan = RuntimeMemoryPlan(
      architecture: architecture, inventory: smallInventory(architecture, .f16), workload: workload, threads: 1)
    #expect(plan.logitRows == 8)
    #expect(plan.bytes(.logits).bytes == 8 * 96 * 4)
    #expect(plan.microBatch == 8)
  }
}
