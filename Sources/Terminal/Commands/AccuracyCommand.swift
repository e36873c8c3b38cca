// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import CostModel
import JSONText
import Planning
import Profiles
import Quantities

struct AccuracyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "accuracy",
    abstract: "How right the estimates are on machines that they were not fitted to, beside the rule of thumb.",
    discussion: """
      Every published speed that comes with the program is predicted from coefficients refitted without its machine.

      Examples:
        anprobe accuracy
        anprobe accuracy --json
        anprobe accuracy --cases llama.cpp
        anprobe accuracy --ablation
        anprobe accuracy --coefficients > profiles/speed/coefficients.json
        anprobe accuracy --margins > profiles/intervals/margins.json
      """)

  @Flag(help: "Print the coefficients of all machines, as profiles/speed/coefficients.json holds them.")
  var coefficients = false
  @Flag(help: "Print the margins of memory and power, as profiles/intervals/margins.json holds them.")
  var margins = false
  @Option(
    help: ArgumentHelp("Also list every measurement of an engine with its prediction.", valueName: "engine"))
  var cases: String?
  @Flag(help: "Instead score without each term of the model and parts of the data, and how sure the coverage is.")
  var ablation = false
  @OptionGroup var common: CommonOptions

  func run() throws {
    let console = common.console
    if ablation { return try AblationReport(answer: common.session.ablation()).show(console, json: common.json) }
    let answer = try common.session.accuracy()
    if coefficients {
      console.answer([JSON.object(answer.efficiencies.json).text(pretty: true)])
    } else if margins {
      console.answer([JSON.object(answer.margins.json).text(pretty: true)])
    } else if common.json {
      console.answer(command: "accuracy", json(answer))
    } else {
      show(answer, console)
    }
  }

  private func json(_ answer: AccuracyAnswer) -> [JSON.Member] {
    var members: [JSON.Member] = [
      .init("rule", "0.55 × bandwidth / size"), .init("rows", .array(answer.rows.map(\.json))),
      .init(
        "setAside",
        [
          "reasons": .array(answer.setAside.reasons.map(\.json)), "rows": .array(answer.setAside.rows.map(\.json)),
        ]),
      .init(
        "unused",
        .array(answer.unused.map(\.json))),
    ]
    if cases != nil { members.append(.init("cases", .array(chosen(answer).map(\.json)))) }
    return members
  }

  private func chosen(_ answer: AccuracyAnswer) -> [CrossValidation.Row] {
    answer.validations.flatMap(\.rows).filter { $0.observation.engine.rawValue == cases || cases == "all" }
  }

  private func show(_ answer: AccuracyAnswer, _ console: Console) {
    console.answer(Self.table(answer.rows))
    showNotes(answer, console)
    showSetAside(answer.setAside, console)
    guard cases != nil else { return }
    showCases(answer, console)
  }

  private static func table(_ rows: [AccuracyRow]) -> TextTable {
    var table = TextTable([
      ("QUANTITY", .left), ("DEVICE", .left), ("ENGINE", .left), ("COUNT", .right), ("MACHINES", .right),
      ("MEDIAN", .right), ("P90", .right), ("IN 90 %", .right), ("WIDTH", .right),
      ("RULE", .right), ("RULE P90", .right),
    ])
    for row in rows {
      table.append([
        StyledText(row.quantity), StyledText(row.deviceClass), StyledText(row.engine), StyledText("\(row.count)"),
        StyledText("\(row.machines)"), StyledText(Self.percent(row.medianAbsoluteError)),
        StyledText(Self.percent(row.p90AbsoluteError)), StyledText(Self.percent(row.intervalCoverage)),
        StyledText("×\(QuantityFormat.fixed(row.intervalWidth, decimals: 1))"),
        StyledText(row.rule.map { Self.percent($0.medianAbsoluteError) } ?? "–"),
        StyledText(row.rule.map { Self.percent($0.p90AbsoluteError) } ?? "–"),
      ])
    }
    return table
  }

  private func showSetAside(_ setAside: SetAside, _ console: Console) {
    guard !setAside.reasons.isEmpty else { return }
    console.answer(
      [""]
        + setAside.reasons.map { "Predicted but set aside for \($0.quantity): \($0.count), \($0.reason)." }
        + ["The same scores with the rows that were set aside:"])
    console.answer(Self.table(setAside.rows))
  }

  private func showNotes(_ answer: AccuracyAnswer, _ console: Console) {
    console.answer([""] + Self.coverageSentences(answer.rows))
    console.answer([
      "Each machine was predicted without it. Rule: 0.55 × bandwidth / size; of memory, 1.2 × weights.",
      "WIDTH is the upper over the lower end of the intervals, which other machines alone decide.",
      "Several GPUs take the errors of other cards' several from five cards on, else those of one and of several together.",
      "Fewer than five machines tell how far errors reach, not to which side; one tells nothing: a factor of two at least.",
      "Memory follows rules for each engine, found in these same logs; MACHINES counts models there.",
      "Energy is per token at the measured rate; its rule is 0.8 × power limit × time. Its power is idle + "
        + "\(QuantityFormat.fixed(answer.powers.coefficients.floorShare, decimals: 3)) (GDDR "
        + "\(QuantityFormat.fixed(answer.powers.coefficients.graphicsFloorShare, decimals: 3))) × (limit − idle) + "
        + "\(QuantityFormat.fixed(answer.powers.coefficients.byteScale, decimals: 2)) × memory's energy per byte + "
        + "\(QuantityFormat.fixed(answer.powers.coefficients.picojoulesPerOperation, decimals: 2)) pJ per operation.",
    ])
    console.answer(answer.unused.map { "Not used for \($0.quantity): \($0.count), \($0.reason)." })
  }

  private func showCases(_ answer: AccuracyAnswer, _ console: Console) {
    console.answer(
      chosen(answer).map { row in
        let observation = row.observation
        let error = QuantityFormat.fixed((row.predicted / observation.rate - 1) * 100, decimals: 0)
        return "\(observation.quantity.rawValue) \(observation.machine), \(observation.label): "
          + "\(QuantityFormat.fixed(row.predicted, decimals: 1)) for \(observation.rate), \(error) %"
      })
    console.answer(
      answer.powers.rows.filter { $0.observation.engine.rawValue == cases || cases == "all" }.map { row in
        let (observation, watts) = (row.observation, row.watts)
        let error = QuantityFormat.fixed((watts / observation.watts - 1) * 100, decimals: 0)
        return "energy \(observation.machine), \(observation.label): "
          + "\(QuantityFormat.fixed(watts, decimals: 0)) W for "
          + "\(QuantityFormat.fixed(observation.watts, decimals: 0)) W, \(error) %"
      })
    console.answer(answer.memories.filter { $0.engine.rawValue == cases || cases == "all" }.map(Self.line))
  }

  private static func line(_ memory: MemoryObservation) -> String {
    let predicted = memory.predicted.value.map(\.magnitude) ?? .nan
    let error = QuantityFormat.fixed((predicted / memory.measured.magnitude - 1) * 100, decimals: 1)
    return "memory \(memory.component.rawValue) \(memory.label): "
      + "\(QuantityFormat.fixed(predicted / 1_048_576, decimals: 0)) MiB for "
      + "\(QuantityFormat.fixed(memory.measured.magnitude / 1_048_576, decimals: 0)), \(error) %"
  }

  /// Whether nine in ten lie inside where rows stand for a whole quantity.
  static func coverageSentences(_ rows: [AccuracyRow]) -> [String] {
    let whole = rows.filter(\.standsForQuantity)
    func names(_ rows: [AccuracyRow]) -> String {
      rows.map { "\($0.quantity) \($0.deviceClass) (\(percent($0.intervalCoverage)))" }.joined(separator: ", ")
    }
    let inside = whole.filter { CoverageRow.wanted.contains($0.intervalCoverage) }
    let outside = whole.filter { !CoverageRow.wanted.contains($0.intervalCoverage) }
    let held = "Where a row stands for a whole quantity, 90 % intervals hold 85 to 95 %"
    if outside.isEmpty { return ["\(held) everywhere: \(names(inside))."] }
    return (inside.isEmpty ? [] : ["\(held) in \(names(inside))."])
      + ["They hold more or less in \(names(outside)); --ablation tells whose rows."]
  }

  private static func percent(_ value: Double) -> String { "\(QuantityFormat.fixed(value * 100, decimals: 1)) %" }
}

extension UnusedFigures {
  fileprivate var json: JSON {
    ["quantity": .string(quantity), "reason": .string(reason), "count": .integer(Int64(count))]
  }
}

extension AccuracyRow {
  fileprivate var json: JSON {
    [
      "engine": .string(engine), "deviceClass": .string(deviceClass), "quantity": .string(quantity),
      "count": .integer(Int64(count)), "machines": .integer(Int64(machines)),
      "medianAbsoluteError": .number(medianAbsoluteError), "p90AbsoluteError": .number(p90AbsoluteError),
      "intervalCoverage": .number(intervalCoverage), "intervalWidth": .number(intervalWidth),
      "rule": rule.map {
        ["medianAbsoluteError": .number($0.medianAbsoluteError), "p90AbsoluteError": .number($0.p90AbsoluteError)]
      } ?? .null,
    ]
  }
}

extension CrossValidation.Row {
  fileprivate var json: JSON {
    [
      "engine": .string(observation.engine.rawValue), "machine": .string(observation.machine),
      "deviceClass": .string(observation.kind.rawValue), "quantity": .string(observation.quantity.rawValue),
      "case": .string(observation.label), "class": .string(observation.classKey), "measured": .number(observation.rate),
      "predicted": .number(predicted),
      "low": .number(interval.low * predicted), "high": .number(interval.high * predicted),
    ]
  }
}
