// SPDX-License-Identifier: Apache-2.0
package import Evidence
internal import JSONText
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
      blocks: summary + costs + losses + plots + tasks + training + findings + missing + knowledge
        + [.heading("How this was made"), .command(command)])
  }

  var judged: [Study.Entry] { study.entries.filter { $0.evaluation != nil } }

  static func text(_ value: Double?, _ decimals: Int) -> String {
    value.map { QuantityFormat.fixed($0, decimals: decimals) } ?? "unknown"
  }

  static func text(_ estimate: Estimate?, _ decimals: Int) -> String {
    guard let estimate else { return "unknown" }
    let error = estimate.standardError.map { " ± \(QuantityFormat.threeDigits($0))" } ?? ""
    return QuantityFormat.fixed(estimate.value, decimals: decimals) + error
  }

  // MARK: What it is about

  private var summary: [ReportDocument.Block] {
    var sentences = [
      "Made, measured and judged by the built-in runtime on \(study.machine), \(study.date).", texts,
      "The reference is the model as given; every variant was compared with it token by token over the same text.",
    ]
    let inside = judged.filter { $0.isWithinError == true && $0.variant != "original" }.map(\.label)
    if !inside.isEmpty {
      sentences.append(
        "Their perplexity differs from the reference's by less than twice the standard error of the difference, so that "
          + "no loss is shown: " + inside.joined(separator: ", ") + ".")
    }
    return [.paragraph(sentences.joined(separator: " "))] + (study.note.map { [.paragraph($0)] } ?? [])
  }

  private var texts: String {
    func name(_ key: String, in json: JSON?) -> String { json?[key]?.stringValue.map { "'\($0)'" } ?? "a given text" }
    let tokens = judged.first?.evaluation?["text"]?["tokens"]?.intValue.map { "\($0) tokens of " } ?? ""
    let settings = study.settings
    var text = "Judged over \(tokens)\(name("text", in: settings)), "
    text +=
      settings["calibrationBytes"]?.intValue == nil
      ? "whose first half calibrated" : "calibrated with \(name("calibration", in: settings))"
    if let training = settings["training"] { text += ", trained on \(name("text", in: training))" }
    return text + "."
  }

  // MARK: Tables

  private func table(_ columns: [String], _ row: (Study.Entry) -> [String]) -> ReportDocument.Block {
    .table(
      columns: [.init("Variant")] + columns.map { .init($0, isNumeric: true) },
      rows: study.entries.filter { $0.evaluation != nil || $0.measurement != nil }.map { [$0.label] + row($0) })
  }

  private var costs: [ReportDocument.Block] {
    let columns = [
      "Bits/weight", "Size, MB", "Resident, MB", "Prefill, tokens/s", "Decode, tokens/s", "Energy, mJ/token",
    ]
    let table = table(columns) { entry in
      [
        Self.text(entry.bitsPerWeight, 2), Self.text(entry.fileBytes.map { $0.magnitude / 1e6 }, 2),
        Self.text(entry.residentBytes.map { $0 / 1e6 }, 1), Self.text(entry.rate("prefill"), 0),
        Self.text(entry.rate("decode"), 0), energy(entry),
      ]
    }
    let isEstimated = study.entries.contains { $0.measuredJoules == nil && $0.estimatedJoules != nil }
    let note = "Energies with ≈ are the cost model's estimates: this machine has no sensor that was read."
    return [.heading("What each variant takes"), table] + (isEstimated ? [.paragraph(note)] : [])
  }

  private func energy(_ entry: Study.Entry) -> String {
    if let joules = entry.measuredJoules { return Self.text(1000 * joules, 2) }
    return entry.estimatedJoules.map { "≈ " + QuantityFormat.threeDigits(1000 * $0) } ?? "unknown"
  }

  private var losses: [ReportDocument.Block] {
    let columns = [
      "Perplexity", "KL divergence, mean, nats", "Median", "90 %", "99 %", "Same first choice",
    ]
    return [
      .heading("What each variant loses"),
      table(columns) { entry in
        [
          Self.text(entry.judged("text", "perplexity"), 2), Self.text(entry.judged("divergence", "mean"), 5),
          Self.text(entry.judged("divergence", "median")?.value, 5),
          Self.text(entry.judged("divergence", "percentile90")?.value, 5),
          Self.text(entry.judged("divergence", "percentile99")?.value, 5),
          Self.text(entry.judged("divergence", "topAgreement"), 3),
        ]
      },
    ]
  }

  private var tasks: [ReportDocument.Block] {
    let names = judged.first?.tasks.map(\.name) ?? []
    guard !names.isEmpty else { return [] }
    let rows = judged.map { entry in
      [entry.label] + names.map { name in Self.text(entry.tasks.first { $0.name == name }?.score, 3) }
    }
    return [
      .heading("Questions"),
      .paragraph("The share of right answers, a quarter by guessing; probes are made of the judged text itself."),
      .table(columns: [.init("Variant")] + names.map { .init($0, isNumeric: true) }, rows: rows),
    ]
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
