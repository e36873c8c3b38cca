// SPDX-License-Identifier: Apache-2.0
import Evidence
import Quantities

/// An evaluation for people.
struct EvaluationFace {
  let evaluation: Evaluation

  func show(_ console: Console) {
    let subject = evaluation.subject
    console.answer(["\(subject.model), \(subject.variant) ('\(subject.file)')", ""])
    if let score = evaluation.text { console.answer(table(of: score)) }
    if let divergence = evaluation.divergence {
      console.answer(["", "Against '\(evaluation.reference?.file ?? "")', nats per token:"])
      console.answer(table(of: divergence))
      console.answer([verdict(divergence)])
    }
    if !evaluation.tasks.isEmpty {
      if evaluation.text != nil { console.answer([""]) }
      console.answer(tasks)
    }
    if !evaluation.isComplete { console.answer(["Interrupted: this is what was judged until then."]) }
  }

  private func table(of score: TextScore) -> TextTable {
    var table = TextTable([("TEXT", .left), ("VALUE", .right), ("± ERROR", .right)])
    table.append(["tokens judged", StyledText("\(score.likelihood.count)"), ""])
    add("perplexity", score.perplexity, &table)
    add("nats per token", score.likelihood.estimate, &table)
    add("word perplexity", score.wordPerplexity.map { Estimate($0) }, &table)
    add("byte perplexity", score.bytePerplexity.map { Estimate($0) }, &table)
    add("bits per byte", score.bitsPerByte.map { Estimate($0) }, &table)
    return table
  }

  private func table(of divergence: Divergence) -> TextTable {
    var table = TextTable([("DIVERGENCE", .left), ("VALUE", .right), ("± ERROR", .right)])
    add("mean", divergence.mean, &table)
    let values = divergence.percentiles(Divergence.percents) ?? []
    for (percent, value) in zip(Divergence.percents, values) {
      let digits = percent == percent.rounded() ? 0 : 1
      let name = percent == 50 ? "median" : "\(QuantityFormat.fixed(percent, decimals: digits)) % below"
      add(name, Estimate(value), &table)
    }
    add("maximum", divergence.maximum.map { Estimate($0) }, &table)
    add("same first choice", divergence.topAgreement, &table)
    add("reference's perplexity", divergence.referencePerplexity, &table)
    add("ln(perplexity / reference's)", divergence.lossIncrease, &table)
    return table
  }

  private func verdict(_ divergence: Divergence) -> String {
    divergence.isWithinError == true
      ? "The perplexities differ by less than twice the standard error of their difference."
      : "The perplexities differ by more than twice the standard error of their difference."
  }

  private var tasks: TextTable {
    var table = TextTable([
      ("TASK", .left), ("QUESTIONS", .right), ("ACC", .right), ("± ERROR", .right), ("ACC_NORM", .right),
      ("± ERROR", .right), ("REFERENCE", .right), ("", .left),
    ])
    for score in evaluation.tasks {
      table.append([
        StyledText(score.task), StyledText("\(score.count)"), value(score.acc), error(score.acc),
        value(score.accNorm), error(score.accNorm), value(reference(of: score).flatMap { $0.accNorm ?? $0.acc }),
        reference(of: score).flatMap { score.isWithinError(of: $0) } == true ? "within the error" : "",
      ])
    }
    return table
  }

  private func reference(of score: ChoiceScore) -> ChoiceScore? {
    evaluation.referenceTasks.first { $0.task == score.task }
  }

  private func add(_ name: String, _ estimate: Estimate?, _ table: inout TextTable) {
    guard let estimate else { return }
    table.append([StyledText(name), value(estimate), error(estimate)])
  }

  private func value(_ estimate: Estimate?) -> StyledText {
    guard let estimate else { return StyledText("–", .faint) }
    // Perplexities of variants differ in the fourth digit.
    let decimals = abs(estimate.value) >= 1000 ? 1 : abs(estimate.value) >= 0.1 || estimate.value == 0 ? 4 : 6
    return StyledText(QuantityFormat.fixed(estimate.value, decimals: decimals))
  }

  private func error(_ estimate: Estimate?) -> StyledText {
    estimate?.standardError.map { StyledText(QuantityFormat.threeDigits($0)) } ?? ""
  }
}
