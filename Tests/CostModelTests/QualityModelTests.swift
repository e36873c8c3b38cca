// SPDX-License-Identifier: Apache-2.0
import Compression
import CostModel
import Evidence
import Profiles
import Quantities
import Testing

/// What a variant is expected to lose.
@Suite struct QualityModelTests {
  private static func row(_ variant: String, _ model: String, _ loss: Double, matrix: Bool = false) -> QualityEvidence {
    QualityEvidence(
      variant: variant, hasImportanceMatrix: matrix, model: model, parameters: nil, lossIncrease: loss,
      metric: "perplexity", setup: "", source: "table of \(model)")
  }

  private static func estimate(
    _ rows: [QualityEvidence], _ variant: String, model: String = "new", bits: Double = 4.8
  ) throws -> QualityEstimate {
    QualityModel(rows).estimate(try Fixture.variant(variant), model: model, bitsPerWeight: bits)
  }

  @Test func `figures of the very model count alone`() throws {
    let rows = [Self.row("q4_k_m", "A", 0.01), Self.row("q4_k_m", "B", 0.5)]
    let own = try Self.estimate(rows, "q4_k_m", model: "A").loss
    #expect(own.value?.nats == 0.01 && own.basis == .published && own.source == "table of A")
  }

  @Test func `figures of other models give a modelled loss whose interval holds them all`() throws {
    let rows = [Self.row("q4_k_m", "A", 0.01), Self.row("q4_k_m", "B", 0.02), Self.row("q4_k_m", "C", 0.09)]
    let estimate = try Self.estimate(rows, "q4_k_m")
    #expect(estimate.loss.value?.nats == 0.02 && estimate.loss.basis == .modelled)
    #expect(try #require(estimate.loss.low).nats <= 0.01 && #require(estimate.loss.high).nats >= 0.09)
    #expect(estimate.models == ["A", "B", "C"])
    #expect(estimate.loss.source == "published figures of A, B, C, not of this model")
  }

  @Test func `16 bits lose nothing, and what nobody measured is unknown`() throws {
    for name in ["f32", "f16", "bf16", "original"] { #expect(try Self.estimate([], name).loss.value?.nats == 0) }
    let unknown = try Self.estimate([], "awq4-g128")
    #expect(unknown.loss.value == nil && unknown.grade == nil)
    #expect(unknown.loss.reason == "no published figures for awq4-g128")
  }

  @Test func `a recipe without figures lies on the line of its family`() throws {
    // Llama-3-8B in llama.cpp's table: Q4_K_M at 4.899 bits loses ln(6.407115 / 6.231636) = 0.0278 nats; the line's
    // residuals leave a factor of two either way.
    let loss = try #require(try Self.estimate([], "q4_k_m", bits: 4.899).loss.value?.nats)
    #expect((0.014...0.056).contains(loss), "\(loss)")
    let coarse = try #require(try Self.estimate([], "q2_k", bits: 3.16).loss.value?.nats)
    #expect(coarse > loss)
  }

  @Test func `fewer bits lose more in the evidence that comes with the program`() throws {
    let model = QualityModel(try QualityTable.rows(.standard()))
    let description = try Fixture.model("Meta-Llama-3-8B")
    let losses = try ["q8_0", "q6_k", "q5_k_m", "q4_k_m", "q3_k_m", "q2_k"].map { name in
      let variant = try Fixture.variant(name)
      let bits = variant.summary(of: TensorCensus(description)).bitsPerWeight
      return try #require(model.estimate(variant, model: "another model", bitsPerWeight: bits).loss.value?.nats)
    }
    #expect(losses == losses.sorted(), "\(losses)")
    #expect(losses[0] < 0.01)
  }

  @Test func `the words follow the loss`() {
    let expected: [(Double, QualityEstimate.Grade)] = [
      (0, .indistinguishable), (0.0099, .indistinguishable), (0.01, .veryGood), (0.03, .good), (0.06, .noticeable),
      (0.12, .degraded), (0.35, .broken), (9, .broken),
    ]
    for (nats, grade) in expected { #expect(QualityEstimate.Grade(LossIncrease(nats: nats)) == grade, "\(nats)") }
    #expect(QualityEstimate.Grade.allCases == QualityEstimate.Grade.allCases.sorted())
  }
}
