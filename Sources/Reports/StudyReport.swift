// SPDX-License-Identifier: Apache-2.0
package import Evidence
internal import Quantities

/// A study as a document: what each variant takes and what it costs in quality.
package struct StudyReport: Sendable {
  package var study: Study
  /// The command that made it.
  package var command: String

  package init(study: Study, command: String) {
    self.study = study
    self.command = command
  }

  package var document: ReportDocument {
    ReportDocument(
      title: "Variants of \(study.model)",
      blocks: summary + table + tasks + plots + missing + knowledge
        + [.heading("How this was made"), .command(command)])
  }

  private var judged: [Study.Entry] { study.entries.filter { $0.evaluation != nil } }

  private func text(_ value: Double?, _ decimals: Int) -> String {
    value.map { QuantityFormat.fixed($0, decimals: decimals) } ?? "unknown"
  }

  private func text(_ estimate: Estimate?, _ decimals: Int) -> String {
    guard let estimate else { return "unknown" }
    let error = estimate.standardError.map { " ± \(QuantityFormat.threeDigits($0))" } ?? ""
    return QuantityFormat.fixed(estimate.value, decimals: decimals) + error
  }

  private var summary: [ReportDocument.Block] {
    let inside = judged.filter { $0.isWithinError == true && $0.variant != "original" }.map(\.label)
    var sentences =
      "Made, measured and judged by the built-in runtime on \(study.machine), \(study.date). The reference is the model as "
      + "given; every variant was compared with it token by token over the same text."
    if !inside.isEmpty {
      sentences +=
        " Their perplexity differs from the reference's by less than twice the standard error of the difference, so that "
        + "no loss is shown: " + inside.joined(separator: ", ") + "."
    }
    return [.paragraph(sentences)]
  }

  private var table: [ReportDocument.Block] {
    let columns: [ReportDocument.Column] = [
      .init("Variant"), .init("Bits/weight", isNumeric: true), .init("File, MB", isNumeric: true),
      .init("Resident, MB", isNumeric: true), .init("Prefill, tokens/s", isNumeric: true),
      .init("Decode, tokens/s", isNumeric: true), .init("J/token", isNumeric: true),
      .init("Perplexity", isNumeric: true), .init("KL divergence, nats", isNumeric: true),
      .init("Same first choice", isNumeric: true),
    ]
    let rows = study.entries.filter { $0.evaluation != nil || $0.measurement != nil }.map { entry in
      [
        entry.label, text(entry.bitsPerWeight, 2), text(entry.fileBytes.map { $0.magnitude / 1e6 }, 2),
        text(entry.residentBytes.map { $0 / 1e6 }, 1), text(entry.rate("prefill"), 0), text(entry.rate("decode"), 0),
        text(entry.joulesPerToken, 4), text(entry.judged("text", "perplexity"), 3),
        text(entry.judged("divergence", "mean"), 5), text(entry.judged("divergence", "topAgreement"), 3),
      ]
    }
    return [.heading("What each variant takes and costs"), .table(columns: columns, rows: rows)]
  }

  private var tasks: [ReportDocument.Block] {
    let names = judged.first?.tasks.map(\.name) ?? []
    guard !names.isEmpty else { return [] }
    let rows = judged.map { entry in
      [entry.label]
        + names.map { name in text(entry.tasks.first { $0.name == name }?.score, 3) }
    }
    return [
      .heading("Questions"),
      .table(columns: [.init("Variant")] + names.map { .init($0, isNumeric: true) }, rows: rows),
    ]
  }

  private var plots: [ReportDocument.Block] {
    func points(
      _ x: (Study.Entry) -> Double?, _ y: (Study.Entry) -> Double?
    ) -> [ScatterPlot.Point] {
      let all = judged.compactMap { entry -> ScatterPlot.Point? in
        guard let x = x(entry), let y = y(entry), y > 0 else { return nil }
        return ScatterPlot.Point(x: x, y: y, label: entry.label)
      }
      // Strong where no other variant is better in both.
      return all.map { point in
        var point = point
        point.isHighlighted = !all.contains { $0.x <= point.x && $0.y <= point.y && ($0.x, $0.y) != (point.x, point.y) }
        return point
      }
    }
    let size = points({ $0.fileBytes.map { $0.magnitude / 1e6 } }, { $0.judged("divergence", "mean")?.value })
    let speed = points({ $0.rate("decode").map { 1000 / $0 } }, { $0.judged("divergence", "mean")?.value })
    return [
      plot(size, x: "file, MB", "Divergence from the reference against size: strong dots lose least at their size."),
      plot(speed, x: "ms per token", "Divergence from the reference against the time of a token."),
    ].compactMap { $0 }
  }

  private func plot(_ points: [ScatterPlot.Point], x: String, _ caption: String) -> ReportDocument.Block? {
    guard points.count > 1 else { return nil }
    let plot = ScatterPlot(
      title: caption, xTitle: x, yTitle: "KL divergence, nats per token", points: points, guide: .front)
    return .plot(svg: plot.svg(), caption: caption)
  }

  private var missing: [ReportDocument.Block] {
    let rows = study.entries.compactMap { entry in entry.refusal.map { [entry.label, $0] } }
    guard !rows.isEmpty else { return [] }
    return [
      .heading("What is missing"), .table(columns: [.init("Variant"), .init("Why")], rows: rows),
    ]
  }

  private var knowledge: [ReportDocument.Block] {
    [
      .heading("What to keep in mind"),
      .list([
        "Perplexity hides what pruning destroys: models without layers, heads or weights lose knowledge and long contexts "
          + "before their perplexity shows it.",
        "A divergence is not an accuracy: it says how often another next token is likely, not which of them is right.",
        "Weights that are zero and stored like any other save neither memory nor time.",
      ]),
    ]
  }
}
