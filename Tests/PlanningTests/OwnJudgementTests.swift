// SPDX-License-Identifier: Apache-2.0
import Archive
import Compression
import CostModel
import Evidence
import Foundation
import LanguageModel
import Planning
import Quantities
import Recommender
import Testing

/// The user's own evaluations, which count before published figures.
@Suite struct OwnJudgementTests {
  private static let model = "llama-3-8b"

  /// An evaluation of a variant over four tokens whose losses exceed the reference's by these nats.
  private func evaluation(
    of variant: String, _ session: PlanningSession, excess: [Double], date: String = "2026-01-02T03:04:05Z",
    isComplete: Bool = true
  ) throws -> Evaluation {
    let name = try session.description(of: .catalogue(Self.model)).name
    let subject = Evaluation.Subject(model: name, variant: variant, file: "f", inventoryDigest: "d")
    var result = Evaluation(
      date: date, toolVersion: "test", machine: "here", subject: subject, reference: subject, threads: 1,
      kernels: "portable", keyValueFormat: "f16", isComplete: isComplete)
    var divergence = Divergence()
    for nats in excess { divergence.add(0.01, agrees: true, nats: 2 + nats, reference: 2) }
    result.divergence = divergence
    return result
  }

  private func loss(_ session: PlanningSession, _ variant: String) throws -> Known<LossIncrease> {
    let answer = try session.fits(["Meta-Llama-3-8B"], Fixture.request(), try Fixture.variants(variant))
    return try #require(answer.rows.first { $0.name == "meta-llama/Meta-Llama-3-8B" }).best.quality.loss
  }

  @Test func `a judged variant's loss is the judgement, everything else stays published`() throws {
    try Fixture.withSession { session, _ in
      let published = try loss(session, "q4_k_m")
      #expect(published.basis != .measured)
      let archive = try Archive(path: session.folders.archive)
      _ = try archive.save(try evaluation(of: "q4_k_m", session, excess: [0.5, 0.5, 0.7, 0.7]))
      let own = try loss(session, "q4_k_m")
      #expect(own.basis == .measured)
      #expect(abs(try #require(own.value).nats - 0.6) < 1e-9)
      #expect(own.source?.contains("your own evaluation of 2026-01-02") == true)
      #expect(try loss(session, "q5_k_m").basis != .measured)
      // The newest counts; one that was interrupted does not.
      _ = try archive.save(try evaluation(of: "q4_k_m", session, excess: [0.2, 0.2, 0.2, 0.2]))
      _ = try archive.save(try evaluation(of: "q4_k_m", session, excess: [9, 9, 9, 9], isComplete: false))
      #expect(abs(try #require(loss(session, "q4_k_m").value).nats - 0.2) < 1e-9)
    }
  }

  @Test func `recommend turns away from what was judged bad, and says whose figures count`() throws {
    try Fixture.withSession { session, _ in
      func choice() throws -> (variant: String, reasons: [String]) {
        let answer = try session.recommend(
          .catalogue(Self.model), Fixture.request(), objective: .balanced, constraints: Constraints(mustRun: false))
        return (try #require(answer.recommendation.choice).variant.name, answer.recommendation.reasons)
      }
      let before = try choice()
      let archive = try Archive(path: session.folders.archive)
      _ = try archive.save(try evaluation(of: before.variant, session, excess: [2, 2.1, 1.9, 2]))
      let after = try choice()
      #expect(after.variant != before.variant)
      // Judged without a loss that can be told from none: chosen again, and the doubt is said.
      _ = try archive.save(try evaluation(of: before.variant, session, excess: [0.001, -0.001, 0.002, -0.001]))
      let again = try choice()
      #expect(again.variant == before.variant)
      let sentence = try #require(again.reasons.first { $0.contains("your own evaluation") })
      #expect(sentence.contains("counts before published figures"))
      #expect(sentence.contains("within twice its standard error"))
    }
  }
}
