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
  let tariff: TariffOptions
  var explains = false

  func show(_ console: Console) {
    console.answer(head + [""])
    console.answer(sums)
    console.answer([""])
    console.answer(details)
    if explains { console.answer([""] + explanation) }
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
    ] + platform + share
      + (estimate.obstacle.map { ["Obstacle  \($0.sentence)"] } ?? [])
  }

  private var platform: [String] {
    PlatformFace(platform: estimator.platform, workload: estimate.workload, tellsSpeeds: !explains).lines
  }

  /// Where the parts stand, of a model that is not in one place.
  private var share: [String] {
    guard let distribution = estimate.distribution, estimate.places.count > 1 || distribution.devices > 1 else {
      return []
    }
    let places = estimate.places.map { place in
      "\(place.needed) of \(place.usable.value?.description ?? "an unknown amount") in \(place.name)"
    }
    return ["Shared    \(distribution.sentence): \(places.joined(separator: ", "))"]
  }

  private var sums: TextTable {
    var table = TextTable([("FIGURE", .left), ("VALUE", .right), ("FROM", .right), ("TO", .right), ("BASIS", .left)])
    add("file to fetch or make", estimate.fileBytes, to: &table)
    add("memory in all", estimate.memory.total, to: &table)
    add("decode", estimate.decode, to: &table)
    add("prefill", estimate.prefill, to: &table)
    add("time to first token", estimate.timeToFirstToken, to: &table)
    add("energy per token", estimate.energyPerToken, to: &table)
    add("energy per token of the prompt", estimate.energyPerPromptToken, to: &table)
    for line in bill { add(line, to: &table) }
    add("loss", estimate.quality.loss, to: &table)
    table.append([
      StyledText("fits"), EstimateCells.verdict(estimate.verdict), "", "",
      StyledText(estimate.bound.map { "limited by \($0.rawValue)" } ?? ""),
    ])
    return table
  }

  /// The energy in the units of bills.
  private var bill: [TariffOptions.Line] { tariff.lines(estimate.bill) }

  private func add(_ line: TariffOptions.Line, to table: inout TextTable) {
    table.append([
      StyledText(line.name), StyledText(line.text(line.value), .bold), StyledText(line.text(line.low)),
      StyledText(line.text(line.high)), StyledText(line.basis),
    ])
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

  /// What limits it, and the source of every figure.
  private var explanation: [String] {
    let bounds: [(String, PhaseTime?)] = [("Decode", estimate.decodeTime), ("Prefill", estimate.prefillTime)]
    let limits = bounds.compactMap { name, time in
      time.map { time in
        let share = { (part: Double) in "\(QuantityFormat.fixed(part / max(time.total, 1e-30) * 100, decimals: 0)) %" }
        return "\(name) is limited by \(time.bound.rawValue): \(share(time.weights)) products with weights, "
          + "\(share(time.attention)) attention, \(time.transfer > 0 ? "\(share(time.transfer)) exchanges, " : "")"
          + "\(share(time.overhead + time.elementwise)) everything else."
      }
    }
    let capacity =
      "Memory: \(estimator.platform.capacity.label)"
      + (estimate.verdict == .no ? "; it does not fit." : ".")
    return limits + [capacity] + sources
  }

  /// Where each figure comes from, said once for those that share it.
  private var sources: [String] {
    var groups: [(names: [String], basis: Basis, source: String)] = []
    for (name, basis, source) in figures {
      if let index = groups.firstIndex(where: { $0.basis == basis && $0.source == source }) {
        groups[index].names.append(name)
      } else {
        groups.append(([name], basis, source))
      }
    }
    return groups.flatMap { names, basis, source in
      var parts: [String] = []
      for part in source.split(separator: "; ").map(String.init) where !parts.contains(part) { parts.append(part) }
      let head = "Source of \(names.joined(separator: " and ")), \(basis.rawValue):"
      return parts.count > 1 ? [head] + parts.map { "  \($0)" } : ["\(head) \(source)"]
    }
  }

  private var figures: [(String, Basis, String)] {
    func figure<Value>(_ name: String, _ value: Known<Value>, _ otherwise: String = "not stated") -> (
      String, Basis, String
    ) {
      (name, value.basis, value.source ?? value.reason ?? otherwise)
    }
    return [
      figure("decode", estimate.decode), figure("prefill", estimate.prefill), figure("energy", estimate.energyPerToken),
      figure("loss", estimate.quality.loss), figure("file", estimate.fileBytes, "sum of the tensors"),
    ]
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
