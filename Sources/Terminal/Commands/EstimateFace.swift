// SPDX-License-Identifier: Apache-2.0
import Compression
import CostModel
import LanguageModel
import Quantities

/// One estimate for people: the sums first, then the terms they are made of.
struct EstimateFace {
  let estimator: CostEstimator
  let estimate: CostEstimate
  let terms: [CostTerm]

  func show(_ console: Console) {
    console.answer(head + [""])
    console.answer(sums)
    console.answer([""])
    console.answer(details)
    let notes = estimator.description.notes.map { "Note: \($0.sentence)" }
    if !notes.isEmpty { console.answer([""] + notes) }
  }

  private var head: [String] {
    let active =
      estimate.parametersActive == estimate.parametersTotal
      ? "" : ", \(Self.count(estimate.parametersActive)) of them active for a token"
    return [
      "\(estimate.model) as \(estimate.variant.name): \(Self.count(estimate.parametersTotal)) parameters\(active), "
        + "\(QuantityFormat.fixed(estimate.bitsPerWeight, decimals: 3)) bits per weight"
    ] + PlatformFace(platform: estimator.platform, workload: estimate.workload).lines
      + (estimate.obstacle.map { ["Obstacle  \($0.sentence)"] } ?? [])
  }

  private var sums: TextTable {
    var table = TextTable([("FIGURE", .left), ("VALUE", .right), ("FROM", .right), ("TO", .right), ("BASIS", .left)])
    add("file to fetch or make", estimate.fileBytes, to: &table)
    add("memory in all", estimate.memory.total, to: &table)
    add("decode", estimate.decode, to: &table)
    add("prefill", estimate.prefill, to: &table)
    add("time to first token", estimate.timeToFirstToken, to: &table)
    add("energy per token", estimate.energyPerToken, to: &table)
    add("loss", estimate.quality.loss, to: &table)
    table.append([
      StyledText("fits"), EstimateCells.verdict(estimate.verdict), "", "",
      StyledText(estimate.bound.map { "limited by \($0.rawValue)" } ?? ""),
    ])
    return table
  }

  private func add<Value: CustomStringConvertible>(_ name: String, _ value: Known<Value>, to table: inout TextTable) {
    guard let middle = value.value, let low = value.low, let high = value.high else {
      table.append([StyledText(name), StyledText("–", .faint), "", "", StyledText("unknown: \(value.reason ?? "")")])
      return
    }
    table.append([
      StyledText(name), StyledText(middle.description, .bold), StyledText(low.description),
      StyledText(high.description), StyledText(value.basis.rawValue),
    ])
  }

  private var details: TextTable {
    var table = TextTable([("PHASE", .left), ("TERM", .left), ("AMOUNT", .right), ("BASIS", .left), ("HOW", .left)])
    for term in terms {
      table.append([
        StyledText(term.phase), StyledText(term.label), StyledText(term.amount), StyledText(term.basis.rawValue),
        StyledText(term.formula, .faint),
      ])
    }
    return table
  }

  /// Groups of three digits.
  static func count(_ value: Int) -> String {
    let digits = Array(String(value))
    var text = ""
    for (index, digit) in digits.enumerated() {
      if index > 0, (digits.count - index) % 3 == 0 { text += "," }
      text.append(digit)
    }
    return text
  }
}
