// SPDX-License-Identifier: Apache-2.0
import CostModel
import Evidence
import Quantities

/// A measurement of drafting for people.
struct DraftFace {
  let measurement: DraftMeasurement

  private var counts: ThreadCounts { ThreadCounts(decode: measurement.threads, prefill: measurement.threadsBatch) }

  func show(_ console: Console) {
    let m = measurement
    console.answer([
      "\(m.model) with proposals of \(m.draft), \(m.draftTokens) at a time; \(counts), \(m.kernels) kernels",
      "",
    ])
    var table = TextTable([("FIGURE", .left), ("MEDIAN", .right), ("FROM", .right), ("TO", .right)])
    add("decode, token by token", m.plain, { TokenRate(magnitude: $0).description }, &table)
    add("decode, drafted", m.drafted, { TokenRate(magnitude: $0).description }, &table)
    add("speed-up", m.speedUp, { QuantityFormat.fixed($0, decimals: 2) + " ×" }, &table)
    console.answer(table)
    console.answer(["", found, expected] + (m.isSameText ? [] : [Self.otherText]))
  }

  private static let otherText =
    "Mind: the two texts differ: a pass over several tokens rounds otherwise here, and two tokens were as likely."

  private func add(
    _ name: String, _ samples: SampleStatistics, _ text: (Double) -> String, _ table: inout TextTable
  ) {
    let interval = samples.interval
    table.append([
      StyledText(name), StyledText(text(samples.median), .bold), StyledText(text(interval.low)),
      StyledText(text(interval.high)),
    ])
  }

  private var found: String {
    "Accepted \(percent(measurement.acceptance)) of the proposals that were judged: "
      + "\(QuantityFormat.fixed(measurement.tokensPerPass, decimals: 2)) tokens per pass"
  }

  private var expected: String {
    let expected = SpeculativeDecoding(
      acceptance: measurement.acceptance, draftTokens: measurement.draftTokens, draftCost: measurement.draftCost,
      verificationCost: measurement.verificationCost)
    return "A token of the draft takes \(percent(measurement.draftCost)) of the model's, judging a proposal "
      + "\(percent(measurement.verificationCost)): full rounds would decode "
      + "\(QuantityFormat.fixed(expected.speedUp, decimals: 2)) × as fast"
  }

  private func percent(_ share: Double) -> String { QuantityFormat.fixed(share * 100, decimals: 0) + " %" }
}
