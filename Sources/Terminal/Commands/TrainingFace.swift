// SPDX-License-Identifier: Apache-2.0
import CostModel
import Hardware
import JSONText
import Planning
import Quantities
import Reports

/// The answer to "can this machine retrain it?".
struct TrainingFace {
  let estimate: TrainingEstimate

  private var memory: TrainingMemory { estimate.memory }

  func show(_ console: Console) {
    let answer =
      switch estimate.verdict {
      case .comfortable: "This machine can train it"
      case .tight: "This machine can just train it"
      case .no: "This machine cannot train it so"
      case nil: "Nobody knows how much memory this machine has"
      }
    let plan = estimate.plan
    console.answer([
      "",
      "\(answer): \(estimate.total.value.map(\.description) ?? "unknown") for "
        + "\(EstimateFace.count(memory.trainedParameters)) trained weights, \(plan.batch) × \(plan.sequenceTokens) tokens.",
    ])
    var table = TextTable([("TRAINING", .left), ("AMOUNT", .right), ("HOW", .left)])
    for item in memory.items {
      table.append([
        StyledText(item.label), StyledText(item.bytes.value.map(\.description) ?? "unknown"),
        StyledText(item.formula, .faint),
      ])
    }
    if let value = estimate.rate.value {
      table.append([
        StyledText("speed"), StyledText(value.description),
        StyledText("prompt's rate / \(QuantityFormat.fixed(memory.passes, decimals: 0)) passes", .faint),
      ])
    }
    console.answer(table)
  }

  var members: [JSON.Member] {
    [
      .init("totalBytes", estimate.total.json),
      .init("trainedParameters", .integer(Int64(memory.trainedParameters))),
      .init("verdict", estimate.verdict.map { .string($0.rawValue) } ?? .null),
      .init("tokensPerSecond", estimate.rate.json),
      .init(
        "items",
        .array(memory.items.map { ["label": .string($0.label), "bytes": $0.bytes.json, "how": .string($0.formula)] })),
    ]
  }
}

/// The table of `fits --train`.
struct TrainingFitsFace {
  let answer: TrainingFits
  let limit: Int

  func show(_ console: Console, workload: Workload) {
    console.answer(PlatformFace(platform: answer.platform, workload: workload).lines + [""])
    let fitting = answer.fitting
    let shown = limit > 0 ? Array(fitting.prefix(limit)) : fitting
    var table = TextTable([
      ("MODEL", .left), ("TRAINED", .right), ("MEMORY", .right), ("FITS", .left), ("TOKENS/s", .right),
    ])
    for row in shown {
      table.append([
        StyledText(row.name), StyledText(EstimateFace.count(row.estimate.memory.trainedParameters)),
        EstimateCells.bytes(row.estimate.total), EstimateCells.verdict(row.estimate.verdict),
        EstimateCells.rate(row.estimate.rate),
      ])
    }
    if !shown.isEmpty { console.answer(table) }
    console.answer([""] + summary(fitting: fitting.count, shown: shown.count))
  }

  private func summary(fitting: Int, shown: Int) -> [String] {
    let plan = answer.plan
    var lines = [
      "\(fitting) of \(answer.rows.count) models can be trained so: \(plan.method.name), \(plan.batch) × "
        + "\(plan.sequenceTokens) tokens a step, \(plan.optimizer.rawValue)"
        + "\(plan.hasCheckpointing ? ", activations computed again" : "")."
    ]
    if shown < fitting { lines.append("Shown are \(shown); --limit 0 shows all.") }
    if !answer.unreadable.isEmpty {
      lines.append("\(answer.unreadable.count) models cannot be trained so whatever the memory; --json says why.")
    }
    if fitting == 0 {
      lines.append("Ask for qlora-16, --checkpointing, --optimizer adamw-8bit, or a smaller --train-length.")
    }
    return lines
  }

  func members(_ workload: Workload) -> [JSON.Member] {
    let plan = answer.plan
    let rows = answer.rows.map { row in
      JSON.object(
        [
          .init("identifier", .string(row.name)), .init("release", .string(row.release)),
          .init("licence", .string(row.licence)), .init("parametersTotal", .integer(Int64(row.parametersTotal))),
        ] + TrainingFace(estimate: row.estimate).members)
    }
    return [
      .init("machine", answer.platform.json), .init("workload", workload.json),
      .init(
        "plan",
        [
          "method": .string(plan.method.name), "batch": .integer(Int64(plan.batch)),
          "sequenceTokens": .integer(Int64(plan.sequenceTokens)), "optimizer": .string(plan.optimizer.rawValue),
          "checkpointing": .bool(plan.hasCheckpointing),
        ]),
      .init("rows", .array(rows)),
      .init(
        "unreadable", .array(answer.unreadable.map { ["model": .string($0.name), "reason": .string($0.reason)] })),
    ]
  }
}
