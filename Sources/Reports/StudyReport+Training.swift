// SPDX-License-Identifier: Apache-2.0
internal import Evidence
internal import JSONText
internal import Quantities

extension StudyReport {
  /// How each trained variant came about.
  var training: [ReportDocument.Block] {
    let rows = judged.compactMap { entry -> [String]? in
      guard let training = entry.training else { return nil }
      func number(_ key: String) -> String { training.record?[key]?.intValue.map(String.init) ?? "unknown" }
      func value(_ key: String) -> Double? { training.record?[key]?.doubleValue }
      return [
        entry.label, number("trainedParameters"), number("steps"), number("tokens"), "\(training.seed)",
        value("seconds").map { Seconds($0).description } ?? "unknown", Self.text(value("firstCrossEntropy"), 3),
        Self.text(value("lastCrossEntropy"), 3),
      ]
    }
    guard !rows.isEmpty else { return [] }
    let columns = [
      "Numbers trained", "Steps", "Tokens", "Seed", "Time", "Cross entropy, first tenth", "Last tenth",
    ]
    return [
      .heading("What was trained"),
      .table(columns: [.init("Variant")] + columns.map { .init($0, isNumeric: true) }, rows: rows),
      .paragraph(
        "Times are those of the clock, beside whatever else the machine did. Cross entropies are of the text learnt from."
      ),
    ]
  }

  var findings: [ReportDocument.Block] {
    let items = [study.recovery.map(sentences), study.students.map(sentences)].compactMap { $0 }
    return items.isEmpty ? [] : [.heading("What training gave")] + items.map { .paragraph($0) }
  }

  private func percent(_ share: Double) -> String { QuantityFormat.fixed(100 * share, decimals: 0) + " %" }

  private func sentences(_ recovery: Recovery) -> String {
    var text =
      "Removing layers takes the perplexity from \(Self.text(recovery.reference, 2)) to \(Self.text(recovery.cut, 2)), "
      + "LoRA brings it to \(Self.text(recovery.recovered, 2))"
    text += recovery.share.map { ": \(percent($0)) of the loss is won back." } ?? "."
    guard let control = recovery.control else { return text }
    text += " The same training on the whole model takes it to \(Self.text(control, 2))"
    return text + (recovery.shareOfControl.map { "; measured against that, \(percent($0)) is won back." } ?? ".")
  }

  private func sentences(_ students: StudentComparison) -> String {
    let count = students.pairs.count
    var text =
      "Students trained alone have a perplexity of \(Self.text(students.alone, 2)), with their teacher of "
      + "\(Self.text(students.taught, 2)) (mean \(count > 1 ? "and standard error over \(count) seeds" : "of one seed"), "
      + "same steps and text); the teacher's was the better one in \(students.wins) of \(count)."
    if let gain = students.gain, let error = gain.standardError {
      let isClear = abs(gain.value) > 2 * error
      text +=
        " The logarithms differ by \(Self.text(gain, 4)), "
        + (isClear ? "more than twice" : "less than twice") + " the standard error."
    }
    return text
  }
}
