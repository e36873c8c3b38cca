// SPDX-License-Identifier: Apache-2.0
import CostModel
import Quantities
import Recommender
import Testing

@Suite struct RefusalTests {
  private static let strict = Constraints(
    minimumDecode: TokenRate(magnitude: 20), maximumEnergyPerToken: Energy(joules: 2), maximumMemory: .gibibytes(2),
    worstGrade: .good)

  private func refusal(_ estimate: CostEstimate, _ constraints: Constraints = strict) throws -> Refusal? {
    constraints.refusal(estimate, on: try Fixture.platform())
  }

  @Test func `what satisfies everything is not refused`() throws {
    #expect(try refusal(Fixture.estimate("q4_0", gibibytes: 2, rate: 20, joules: 2, loss: 0.059)) == nil)
  }

  /// Each row is mended in one more respect than the row before.
  @Test func `the hardest reason against a variant comes first`() throws {
    let format = Obstacle.format("awq4-g128", engine: .llamaCpp)
    func estimate(
      _ verdict: Verdict, _ size: Double, _ obstacle: Obstacle?, _ rate: Double?, _ joules: Double?, _ loss: Double?
    ) throws -> Refusal? {
      try refusal(
        Fixture.estimate(
          "q4_0", gibibytes: size, rate: rate, joules: joules, loss: loss, verdict: verdict, obstacle: obstacle))
    }
    let usable = try #require(try Fixture.platform().capacity.usable.value)
    #expect(try estimate(.no, 3, format, 1, 9, 1) == .doesNotFit(needed: .gibibytes(3), usable: usable))
    #expect(
      try estimate(.tight, 3, format, 1, 9, 1) == .overMemoryLimit(needed: .gibibytes(3), limit: .gibibytes(2)))
    #expect(try estimate(.tight, 2, format, 1, 9, 1) == .cannotRun(format))
    #expect(
      try estimate(.tight, 2, nil, 1, 9, 1)
        == .tooSlow(TokenRate(magnitude: 1), wanted: TokenRate(magnitude: 20)))
    #expect(try estimate(.tight, 2, nil, nil, 9, 1) == .speedUnknown(reason: "nobody told"))
    #expect(
      try estimate(.tight, 2, nil, 20, 9, 1) == .tooHungry(Energy(joules: 9), allowed: Energy(joules: 2)))
    #expect(try estimate(.tight, 2, nil, 20, nil, 1) == .energyUnknown(reason: "nobody told"))
    #expect(try estimate(.tight, 2, nil, 20, 2, 1) == .losesTooMuch(.broken, allowed: .good))
    #expect(try estimate(.tight, 2, nil, 20, 2, nil) == .qualityUnknown(reason: "nobody told"))
  }

  @Test func `a least speed is each user's, not the sum`() throws {
    var estimate = try Fixture.estimate("q4_0", rate: 60)
    #expect(try refusal(estimate) == nil)
    estimate.workload.sequences = 4
    #expect(
      try refusal(estimate) == .tooSlow(TokenRate(magnitude: 15), wanted: TokenRate(magnitude: 20)))
  }

  @Test func `a model that the engine does not run may be sized, a format without a kernel may not`() throws {
    let model = try Fixture.estimate("q4_0", obstacle: .modelType("mamba", engine: .anprobe))
    let format = try Fixture.estimate("int8", obstacle: .format("int8", engine: .anprobe))
    let sizing = Constraints(mustRun: false)
    #expect(try refusal(model, sizing) == nil)
    #expect(try refusal(model, Constraints()) != nil)
    #expect(try refusal(format, sizing) == .cannotRun(.format("int8", engine: .anprobe)))
  }

  @Test func `a refusal's sentence has the figures on both sides`() throws {
    let sentences: [(Refusal, [String])] = [
      (.doesNotFit(needed: .gibibytes(3), usable: .gibibytes(2)), ["3.00 GiB", "2.00 GiB", "8 %"]),
      (.overMemoryLimit(needed: .gibibytes(3), limit: .gibibytes(2)), ["3.00 GiB", "2.00 GiB"]),
      (.tooSlow(TokenRate(magnitude: 1.5), wanted: TokenRate(magnitude: 20)), ["1.50", "20.0", "tokens/s"]),
      (.tooHungry(Energy(joules: 9), allowed: Energy(joules: 2)), ["9.00 J", "2.00 J"]),
      (.losesTooMuch(.broken, allowed: .veryGood), ["broken", "very good"]),
    ]
    for (refusal, parts) in sentences {
      for part in parts { #expect(refusal.sentence.contains(part), "\(refusal.sentence)") }
    }
  }
}
