// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Evidence
import JSONText
import Planning
import Quantities

struct HistoryCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "history", abstract: "The measurements and evaluations that were kept.",
    discussion:
      "Examples:\n  anprobe history\n  anprobe history --model 'TinyLlama 1.1B Chat v1.0' --json\n  anprobe history --forget 12"
  )

  @Option(help: ArgumentHelp("Only those of this model, by its full name.", valueName: "name")) var model: String?
  @Option(help: ArgumentHelp("Delete the measurement of this number.", valueName: "number")) var forget: Int64?
  @OptionGroup var common: CommonOptions

  func run() throws {
    if let forget {
      let found = try common.session.forget(forget)
      common.console.notice(found ? "Forgotten: \(forget)." : "There is no measurement \(forget).")
      if !found { throw ExitStatus.badInput }
      return
    }
    let kept = try common.session.history(model: model)
    guard !common.json else {
      let rows = kept.map { JSON.object([.init("number", .integer($0.number))] + $0.measurement.members) }
      let judged = try common.session.judged(model: model).map { row in
        JSON.object([.init("number", .integer(row.number))] + (row.evaluation.members ?? []))
      }
      return common.console.answer(
        command: "history", [.init("measurements", .array(rows)), .init("evaluations", .array(judged))])
    }
    var table = TextTable([
      ("NUMBER", .right), ("DATE", .left), ("MODEL", .left), ("VARIANT", .left), ("MODE", .left),
      ("PREFILL t/s", .right),
      ("DECODE t/s", .right),
    ])
    for (number, measurement) in kept {
      table.append([
        StyledText("\(number)"), StyledText(measurement.date), StyledText(measurement.model),
        StyledText(measurement.variant), StyledText(measurement.mode.rawValue), rate(measurement.prefill),
        rate(measurement.decode),
      ])
    }
    common.console.answer(table)
    try showEvaluations()
  }

  private func showEvaluations() throws {
    let judged = try common.session.judged(model: model)
    guard !judged.isEmpty else { return }
    var table = TextTable([
      ("EVALUATION", .right), ("DATE", .left), ("MODEL", .left), ("VARIANT", .left), ("PERPLEXITY", .right),
      ("KL", .right),
    ])
    for (number, evaluation) in judged {
      func text(_ key: String) -> StyledText { StyledText(evaluation[key]?.stringValue ?? "") }
      table.append([
        StyledText("\(number)"), text("date"), text("model"), text("variant"),
        figure(evaluation["text"]?["perplexity"]), figure(evaluation["divergence"]?["mean"]),
      ])
    }
    common.console.answer([""])
    common.console.answer(table)
  }

  private func figure(_ json: JSON?) -> StyledText {
    json?["value"]?.doubleValue.map { StyledText(QuantityFormat.threeDigits($0)) } ?? StyledText("–", .faint)
  }

  private func rate(_ phase: Measurement.Phase?) -> StyledText {
    phase.map { StyledText(QuantityFormat.threeDigits($0.tokensPerSecond.median)) } ?? StyledText("–", .faint)
  }
}
