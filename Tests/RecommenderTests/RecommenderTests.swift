// SPDX-License-Identifier: Apache-2.0
import Compression
import CostModel
import Hardware
import Quantities
import Recommender
import TestSupport
import Testing

@Suite struct RecommenderTests {
  private func choice(
    _ objective: Objective, _ estimates: [CostEstimate], _ constraints: Constraints = Constraints()
  ) throws -> String? {
    try Recommender(platform: Fixture.platform(), objective: objective, constraints: constraints)
      .recommendation(from: estimates).choice?.variant.name
  }

  /// Slow and lossless, fast and lossy, frugal, and a middle.
  private func set() throws -> [CostEstimate] {
    [
      try Fixture.estimate("f16", gibibytes: 16, rate: 10, joules: 8, loss: 0),
      try Fixture.estimate("q8_0", gibibytes: 8, rate: 19, joules: 4, loss: 0.002),
      try Fixture.estimate("q5_k_m", gibibytes: 5.5, rate: 27, joules: 2.5, loss: 0.02),
      try Fixture.estimate("q4_k_m", gibibytes: 4.5, rate: 32, joules: 2.6, loss: 0.04),
      try Fixture.estimate("q3_k_m", gibibytes: 3.8, rate: 34, joules: 2.4, loss: 0.11),
      try Fixture.estimate("q2_k", gibibytes: 3, rate: 45, joules: 1.5, loss: 0.5),
    ]
  }

  @Test(arguments: [
    // f16 and q8_0 cannot be told apart, and q8_0 is faster.
    (Objective.quality, "q8_0"),
    // q2_k is faster still, but broken.
    (.speed, "q3_k_m"), (.energy, "q3_k_m"),
    // 10 × loss − ln(rate): q8_0 −2.92, q5_k_m −3.10, q4_k_m −3.07, q3_k_m −2.43, q2_k 1.19.
    (.balanced, "q5_k_m"),
  ]) func `each objective chooses what it says`(_ objective: Objective, _ expected: String) throws {
    for seed in 0..<10 as Range<UInt64> {
      var random = SeededRandom(seed: seed)
      #expect(try choice(objective, set().shuffled(using: &random)) == expected)
    }
  }

  @Test func `losses that nobody can tell apart are decided by speed, others by loss`() throws {
    let slow = try Fixture.estimate("q8_0", rate: 10, loss: 0.001)
    let fast = try Fixture.estimate("q6_k", rate: 12, loss: 0.009)
    let lossy = try Fixture.estimate("q5_0", rate: 100, loss: 0.011)
    #expect(try choice(.quality, [slow, fast, lossy]) == "q6_k")
    #expect(try choice(.quality, [lossy, slow]) == "q8_0")
  }

  @Test(arguments: Objective.allCases) func `without speeds the smallest of what cannot be told apart is chosen`(
    _ objective: Objective
  ) throws {
    let estimates = [
      try Fixture.estimate("f32", gibibytes: 32, rate: nil, joules: nil, loss: 0),
      try Fixture.estimate("f16", gibibytes: 16, rate: nil, joules: nil, loss: 0),
      try Fixture.estimate("q8_0", gibibytes: 8, rate: nil, joules: nil, loss: 0.002),
      try Fixture.estimate("q4_0", gibibytes: 4, rate: nil, joules: nil, loss: 0.09),
    ]
    #expect(try choice(objective, estimates) == "q8_0")
    #expect(try choice(objective, estimates.reversed()) == "q8_0")
  }

  @Test(arguments: [Objective.speed, .energy])
  func `where only degraded variants are left the least loss is chosen`(_ objective: Objective) throws {
    let estimates = [
      try Fixture.estimate("q2_k", rate: 50, joules: 1, loss: 0.6),
      try Fixture.estimate("q3_k_s", rate: 40, joules: 2, loss: 0.2),
    ]
    #expect(try choice(objective, estimates) == "q3_k_s")
  }

  @Test func `the choice satisfies the constraints, and everything else is somewhere in the answer`() throws {
    let constraints = Constraints(minimumDecode: TokenRate(magnitude: 20), worstGrade: .good)
    let answer = try Recommender(platform: Fixture.platform(), objective: .quality, constraints: constraints)
      .recommendation(from: set())
    #expect(answer.choice?.variant.name == "q5_k_m")
    #expect(answer.ruledOut.map(\.estimate.variant.name) == ["f16", "q8_0", "q3_k_m", "q2_k"])
    #expect(answer.runnersUp.map(\.estimate.variant.name) == ["q4_k_m"])
    #expect(answer.reasons.count >= 3)
    #expect(answer.deploy.contains { $0.command.contains("llama-server") })
  }

  @Test func `when nothing fits there is no choice, and every variant is ruled out with a reason`() throws {
    let platform = try Fixture.platform("kind=gpu,memory=100MB,bandwidth=100GB/s")
    let estimates = try Fixture.estimates(on: platform)
    let answer = Recommender(platform: platform).recommendation(from: estimates)
    #expect(answer.choice == nil)
    #expect(answer.ruledOut.map(\.estimate.variant) == estimates.map(\.variant))
    #expect(answer.ruledOut.allSatisfy { $0.refusal.sentence.contains("MiB") || $0.refusal.sentence.contains("GiB") })
    #expect(answer.runnersUp.isEmpty)
    #expect(answer.front.isEmpty)
    #expect(answer.deploy.isEmpty)
  }

  @Test func `a runner-up is compared with the choice in speed, memory and loss`() throws {
    let estimates = [
      try Fixture.estimate("q8_0", gibibytes: 8, rate: 20, loss: 0.002),
      try Fixture.estimate("q4_0", gibibytes: 6, rate: 25, loss: 0.08),
    ]
    let answer = try Recommender(platform: Fixture.platform(), objective: .quality)
      .recommendation(from: estimates)
    #expect(
      answer.runnersUp.map(\.comparison) == [
        "25 % faster, 25 % less memory, loss noticeable instead of indistinguishable"
      ])
  }

  @Test(arguments: Objective.allCases) func `a choice among real estimates is beaten by none that is allowed`(
    _ objective: Objective
  ) throws {
    let platform = try Fixture.platform()
    let answer = Recommender(platform: platform, objective: objective)
      .recommendation(from: try Fixture.estimates(on: platform))
    let choice = try #require(answer.choice)
    #expect(answer.front.contains { $0.variant == choice.variant })
    #expect(answer.runnersUp.allSatisfy { rival in answer.front.contains { $0.variant == rival.estimate.variant } })
    #expect(answer.runnersUp.allSatisfy { $0.estimate.variant != choice.variant })
  }

  @Test func `a tighter constraint never brings a better choice`() throws {
    let platform = try Fixture.platform()
    let estimates = try Fixture.estimates(on: platform)
    var last = -Double.infinity
    for limit in stride(from: 3.0, through: 0.4, by: -0.1) {
      let constraints = Constraints(maximumMemory: ByteCount(magnitude: limit * 1_073_741_824))
      let answer = Recommender(platform: platform, objective: .quality, constraints: constraints)
        .recommendation(from: estimates)
      guard let choice = answer.choice else { break }
      let loss = try #require(choice.quality.loss.value?.nats)
      let told = choice.quality.grade == .indistinguishable ? 0 : loss
      #expect(told >= last, "\(limit) GiB")
      last = told
    }
    #expect(last > 0)
  }
}
