// SPDX-License-Identifier: Apache-2.0
import Compression
import CostModel
import Foundation
import Planning
import Profiles
import Quantities
import Recommender
import Testing

@Suite struct FittingTests {
  @Test func `the whole catalogue is sized, and no model is unreadable`() throws {
    try Fixture.withSession { session, _ in
      let variants = try Fixture.variants("q8_0", "q4_k_m")
      let answer = try session.fits([], Fixture.request(), variants)
      let catalogue = try session.models().entries
      #expect(answer.unreadable.isEmpty)
      #expect(answer.rows.map(\.name).sorted() == catalogue.map(\.identifier).sorted())
      #expect(answer.estimateCount == 2 * catalogue.count)
      for row in answer.rows {
        #expect(row.all.map(\.variant) == variants)
        #expect(row.all.allSatisfy { ($0.memory.total.value ?? .zero) > .zero }, "\(row.name)")
        #expect((row.refusal == nil) == row.all.contains { $0.fits == true && $0.obstacle == nil }, "\(row.name)")
      }
    }
  }

  @Test func `what fits comes first, the fast before the slow and the larger before the smaller`() throws {
    try Fixture.withSession { session, _ in
      let answer = try session.fits([], Fixture.request(), try Fixture.variants("q8_0", "q4_k_m"))
      let groups = answer.rows.map { row -> Int in
        if row.refusal != nil { return 2 }
        guard let rate = row.best.decodePerSequence.value else { return 0 }
        return rate < Fitting.usableRate ? 1 : 0
      }
      #expect(groups == groups.sorted())
      #expect(Set(groups).count >= 2)
      let sizes = zip(answer.rows, groups).filter { $1 == 0 }.map { row, _ in
        Double(row.best.parametersTotal) * Double(row.best.parametersActive)
      }
      #expect(sizes == sizes.sorted(by: >))
      #expect(answer.fitting.count == groups.count { $0 != 2 })
    }
  }

  @Test func `names choose models, each once, and a name of none is refused`() throws {
    try Fixture.withSession { session, _ in
      let variants = try Fixture.variants("q4_k_m")
      let answer = try session.fits(["tinyllama", "TinyLlama-1.1B", "smollm2"], Fixture.request(), variants)
      let names = answer.rows.map(\.name)
      #expect(names.contains("TinyLlama/TinyLlama-1.1B-Chat-v1.0"))
      #expect(Set(names).count == names.count)
      #expect(names.allSatisfy { $0.lowercased().contains("tinyllama") || $0.lowercased().contains("smollm2") })
      #expect(throws: PlanningError.noModelsNamed("no-such-model")) {
        try session.fits(["tinyllama", "no-such-model"], Fixture.request(), variants)
      }
    }
  }

  @Test func `a row's estimate is what the model's own estimate is`() throws {
    try Fixture.withSession { session, _ in
      let variants = try Fixture.variants("q8_0", "q4_k_m")
      let answer = try session.fits(["llama-3-8b"], Fixture.request(), variants)
      let row = try #require(answer.rows.first { $0.name == "meta-llama/Meta-Llama-3-8B" })
      let estimator = try session.estimator(.catalogue("llama-3-8b"), Fixture.request())
      for (one, other) in zip(row.all, variants.map(estimator.estimate)) {
        #expect(one.memory == other.memory)
        #expect(one.decode == other.decode)
        #expect(one.prefill == other.prefill)
        #expect(one.energyPerToken == other.energyPerToken)
        #expect(one.quality == other.quality)
        #expect(one.verdict == other.verdict)
      }
    }
  }

  @Test func `constraints rule models out with their reason`() throws {
    try Fixture.withSession { session, _ in
      let constraints = Constraints(maximumMemory: .gibibytes(2), mustRun: false)
      let answer = try session.fits(["qwen2.5"], Fixture.request(), Fixture.variants("q4_k_m"), constraints)
      #expect(!answer.fitting.isEmpty)
      for row in answer.rows {
        let total = try #require(row.best.memory.total.value)
        #expect((row.refusal == nil) == (total <= .gibibytes(2)), "\(row.name)")
      }
    }
  }

  @Test func `more memory never makes less fit`() throws {
    try Fixture.withSession { session, _ in
      var last: Set<String> = []
      for memory in [1, 4, 16, 80] {
        let machine = "kind=gpu,memory=\(memory)GB,bandwidth=500GB/s,fp16=50TFLOP/s"
        let answer = try session.fits(
          ["llama", "qwen2.5"], Fixture.request(machine), Fixture.variants("q4_k_m"))
        let fitting = Set(answer.fitting.map(\.name))
        #expect(fitting.isSuperset(of: last), "\(memory) GB")
        #expect(fitting.count > last.count || memory == 1, "\(memory) GB")
        last = fitting
      }
    }
  }

  @Test func `every offered variant of a model is recommended or ruled out`() throws {
    try Fixture.withSession { session, _ in
      let (answer, platform) = try session.recommend(
        .catalogue("llama-3-8b"), Fixture.request(), objective: .balanced, constraints: Constraints())
      let choice = try #require(answer.choice)
      #expect(choice.fits == true)
      #expect(platform.engine == .llamaCpp)
      #expect(answer.ruledOut.count < CompressionVariant.offered.count)
      #expect(!answer.ruledOut.contains { $0.estimate.variant == choice.variant })
    }
  }
}
