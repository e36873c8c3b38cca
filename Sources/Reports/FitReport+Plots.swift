// SPDX-License-Identifier: Apache-2.0
internal import Compression
internal import CostModel
internal import Evidence
internal import Hardware
internal import Quantities
internal import Recommender

extension FitReport {
  private static let gibibyte = 1_073_741_824.0

  /// Memory of the first models against what may be used.
  var memoryPlot: [ReportDocument.Block] {
    guard !fitting.isEmpty else { return [] }
    let bars = fitting.prefix(Self.shownBars).map { row -> BarPlot.Bar in
      let memory = row.best.memory
      let parts = [memory.weights, memory.keyValueCache, memory.compute, memory.overhead]
      let name = row.identifier.split(separator: "/").last.map(String.init) ?? row.identifier
      return BarPlot.Bar(
        label: String("\(name) \(row.best.variant.name)".suffix(36)),
        amounts: parts.map { ($0.value?.magnitude ?? 0) / Self.gibibyte })
    }
    let limit = platform.capacity.usable.value.map {
      (label: "usable, less 8 %", amount: $0.magnitude * Capacity.usableShare / Self.gibibyte)
    }
    let plot = BarPlot(
      title: "Memory of each model against what may be used", unit: "GiB",
      parts: ["weights", "KV cache", "compute", "overhead"], bars: Array(bars), limit: limit)
    return [
      .plot(
        svg: plot.svg(),
        caption: "Memory against capacity: what the first \(bars.count) models take, and the line they must stay below."
      )
    ]
  }

  /// All fitting models: how much memory buys how much speed.
  var speedPlot: [ReportDocument.Block] {
    let points = fitting.compactMap { row -> ScatterPlot.Point? in
      guard let memory = row.best.memory.total.value, let rate = row.best.decode.value else { return nil }
      return ScatterPlot.Point(
        x: memory.magnitude / Self.gibibyte, y: rate.magnitude, label: "\(row.identifier) \(row.best.variant.name)",
        isHighlighted: row.best.obstacle == nil)
    }
    guard points.count > 1 else { return [] }
    let plot = ScatterPlot(
      title: "Decode speed against memory of every model that fits", xTitle: "memory, GiB", yTitle: "decode, tokens/s",
      points: points)
    return [
      .plot(
        svg: plot.svg(),
        caption:
          "Every model that fits, in its best variant: decoding slows down as the bytes per token grow. Strong dots "
          + "are those that \(platform.engine.rawValue) runs today.")
    ]
  }

  /// One model's variants: the front over memory, speed, energy and loss.
  var focusPart: [ReportDocument.Block] {
    guard let focus, let choice = focus.recommendation.choice else { return [] }
    let front = Set(focus.recommendation.front.map(\.variant))
    let points = focus.estimates.filter { $0.fits != false }.compactMap { estimate -> ScatterPlot.Point? in
      guard let memory = estimate.memory.total.value, let rate = estimate.decode.value else { return nil }
      let grade = estimate.quality.grade?.rawValue ?? "unknown"
      return ScatterPlot.Point(
        x: memory.magnitude / Self.gibibyte, y: rate.magnitude, label: "\(estimate.variant.name), loss \(grade)",
        isHighlighted: front.contains(estimate.variant))
    }
    let plot = ScatterPlot(
      title: "Variants of \(choice.model)", xTitle: "memory, GiB", yTitle: "decode, tokens/s", points: points)
    let members = focus.recommendation.front.map { estimate -> [String] in
      [
        estimate.variant.name, Text.known(estimate.memory.total), Text.number(estimate.decode),
        Text.known(estimate.energyPerToken), Text.known(estimate.quality.loss),
        estimate.quality.grade?.rawValue ?? "unknown",
      ]
    }
    let columns: [ReportDocument.Column] = [
      .init("Variant"), .init("Memory", isNumeric: true), .init("Decode, tokens/s", isNumeric: true),
      .init("Energy/token", isNumeric: true), .init("Loss", isNumeric: true), .init("Grade"),
    ]
    return [
      .heading("The variants of \(choice.model)"),
      .paragraph("Use it as \(choice.variant.name). " + focus.recommendation.reasons.joined(separator: " ")),
      .plot(
        svg: plot.svg(),
        caption: "The Pareto front (strong dots) over memory, decode speed, energy per token and loss, here seen by "
          + "memory and speed; a dot's name shows when it is pointed at."),
      .table(columns: columns, rows: members),
    ] + (focus.recommendation.warnings.isEmpty ? [] : [.list(focus.recommendation.warnings)])
  }

  /// What was measured here against the estimates.
  var validationPart: [ReportDocument.Block] {
    guard !validation.rows.isEmpty else {
      return [
        .heading("Estimate against measurement"),
        .paragraph(
          platform.machine.origin == .probed
            ? "Nothing was measured on this machine yet: 'anprobe validate' does."
            : "This machine is not at hand, so nothing was measured: the intervals are those of the cited classes."),
      ]
    }
    var blocks: [ReportDocument.Block] = [.heading("Estimate against measurement")]
    for quantity in [Validation.Quantity.decode, .prefill] {
      let rows = validation.rows.filter { $0.quantity == quantity }
      guard rows.count > 1, let error = validation.medianAbsoluteError(quantity) else { continue }
      let points = rows.map {
        ScatterPlot.Point(
          x: $0.measured, y: $0.estimate, label: "\($0.model) \($0.variant)", isHighlighted: $0.isInsideInterval)
      }
      let plot = ScatterPlot(
        title: "Estimate against measurement, \(quantity.rawValue)", xTitle: "measured, tokens/s",
        yTitle: "estimated, tokens/s", points: points, guide: .diagonal(band: 0.1))
      blocks.append(
        .plot(
          svg: plot.svg(),
          caption: "\(quantity.rawValue): \(rows.count) runs on this machine, median error "
            + "\(QuantityFormat.fixed(error * 100, decimals: 1)) %; strong dots lie inside the estimate's interval, "
            + "dashed lines are 10 % off."))
    }
    return blocks + [validationTable]
  }

  private var validationTable: ReportDocument.Block {
    let columns: [ReportDocument.Column] = [
      .init("Model"), .init("Variant"), .init("Quantity"), .init("Estimate", isNumeric: true),
      .init("Measured", isNumeric: true), .init("Error", isNumeric: true),
    ]
    let rows = validation.rows.map { row -> [String] in
      func text(_ value: Double) -> String {
        row.quantity == .memory ? ByteCount(magnitude: value).description : TokenRate(magnitude: value).description
      }
      return [
        row.model, row.variant, row.quantity.rawValue, text(row.estimate), text(row.measured),
        "\(QuantityFormat.fixed(row.relativeError * 100, decimals: 1)) %",
      ]
    }
    return .table(columns: columns, rows: rows)
  }

  var knowledge: [ReportDocument.Block] {
    [
      .heading("How we know"),
      .list([
        "Weights: the sum over the model's tensors in the variant's formats; exact.",
        "KV cache, compute and overhead: the engine's own rules; for the built-in runtime the buffers that it allocates.",
        "Speeds: \(speedBasis).",
        "Energy: \(platform.energy.reason ?? platform.energy.source).",
        "Loss: ln(perplexity / perplexity of the original) as published for other models, with the spread between them; "
          + "it hides losses of knowledge and of long context.",
        "An interval holds the middle 80 % of what is expected. Unknown is written unknown and never counted as zero.",
      ]),
    ]
  }

  private var speedBasis: String {
    switch platform.speed {
    case .success(let speed): "\(speed.basis.rawValue), \(speed.source)"
    case .failure(let failure): "unknown, \(failure.reason)"
    }
  }

  var origin: [ReportDocument.Block] { [.heading("Made by"), .command(command), .paragraph("On \(date).")] }
}

/// Quantities as the tables of a report show them.
enum Text {
  static func known<Value: CustomStringConvertible>(_ value: Known<Value>) -> String {
    value.value.map(\.description) ?? "unknown"
  }
  /// The bare number, for a column whose title has the unit.
  static func number(_ value: Known<TokenRate>) -> String {
    value.value.map { QuantityFormat.threeDigits($0.magnitude) } ?? "unknown"
  }
}
