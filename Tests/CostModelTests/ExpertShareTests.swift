// SPDX-License-Identifier: Apache-2.0
import Compression
import CostModel
import LanguageModel
import Quantities
import Testing

/// How many experts' weights a batch reads.
@Suite struct ExpertShareTests {
  /// Time per step of Qwen3-30B-A3B in bf16 on one H100, and the bandwidth that the expected distinct experts imply.
  ///
  /// - Source: ML.ENERGY leaderboard (batch, inter-token latency in ms); bandwidths computed from them outside this
  ///   program, with the sequences' caches, of which the leaderboard does not tell the length: at 89 sequences of some
  ///   600 tokens they are 8 % of the bytes.
  static let steps: [(batch: Int, milliseconds: Double, terabytesPerSecond: Double)] = [
    (8, 12.9, 2.04), (16, 17.6, 2.32), (32, 22.6, 2.43), (64, 28.9, 2.19), (89, 32.1, 2.04),
  ]

  @Test func `measured serving implies a flat bandwidth below the device's peak`() throws {
    let model = try Fixture.model("Qwen/Qwen3-30B-A3B")
    let shared = ModelWork(model.architecture, Workload())
    let work = VariantWork(try Fixture.variant("bf16").summary(of: TensorCensus(model)), shared)
    for step in Self.steps {
      let bytes = work.parts.reduce(0) { $0 + work.bytes($1, tokens: step.batch, shared) }
      let implied = bytes / step.milliseconds / 1e9
      let share = implied / step.terabytesPerSecond
      #expect((0.9...1.005).contains(share), "batch \(step.batch): \(implied) TB/s")
      #expect(implied < 3.35, "the peak of an H100")
      // A batch of 16 would read every expert if no two tokens shared one: more than the memory can deliver.
      let apart = work.parts.reduce(0) {
        $0 + ($1.isRouted ? $1.allBytes * min(1, 8.0 * Double(step.batch) / 128) : $1.bytes)
      }
      if step.batch == 16 { #expect(apart / step.milliseconds / 1e9 > 3.35) }
    }
  }

  @Test func `one token visits exactly the chosen experts, many visit all`() throws {
    let model = ModelWork(try Fixture.model("Qwen/Qwen3-30B-A3B").architecture, Workload())
    #expect(abs(model.expertShare(tokens: 1) - 8.0 / 128) < 1e-12)
    #expect(model.expertShare(tokens: 0) == 0)
    #expect(abs(model.expertShare(tokens: 10_000) - 1) < 1e-9)
  }

  @Test func `the share grows with the batch and equals its formula`() throws {
    let model = ModelWork(try Fixture.model("Mixtral-8x7B-v0.1").architecture, Workload())
    var previous = 0.0
    for tokens in 1...64 {
      let share = model.expertShare(tokens: tokens)
      var missed = 1.0
      for _ in 0..<tokens { missed *= 1 - 2.0 / 8 }
      #expect(abs(share - (1 - missed)) < 1e-12)
      #expect(share > previous)
      previous = share
    }
  }

  @Test func `a dense model has no experts to miss`() throws {
    let model = ModelWork(try Fixture.model("TinyLlama-1.1B").architecture, Workload())
    for tokens in [1, 2, 512] { #expect(model.expertShare(tokens: tokens) == 1) }
  }
}
