// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import CostModel
import Hardware
import JSONText
import LanguageModel
import Quantities

/// Whether a machine can train the model further, and how.
struct TrainingOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("Also what training takes: full, lora-16 or qlora-16.", valueName: "method"),
    transform: { text in
      guard let method = TrainingPlan.method(text) else {
        throw ValidationError("'\(text)' is no way to train. Give full, or lora-16 or qlora-16 with the rank you want.")
      }
      return method
    })
  var train: TrainingPlan.Method?

  @Option(
    help: ArgumentHelp("Sequences of a training step.", valueName: "count"), transform: TokenCount.parse)
  var trainBatch = 1

  @Option(help: ArgumentHelp("Tokens of a training sequence.", valueName: "tokens"), transform: TokenCount.parse)
  var trainLength = 2048

  @Option(help: ArgumentHelp("adamw, adamw-8bit, paged-adamw-8bit or sgd.", valueName: "name"))
  var optimizer = TrainingPlan.Optimizer.adamw

  @Flag(help: "Compute activations again instead of keeping them.")
  var checkpointing = false

  func validate() throws {
    guard Double(trainBatch) * Double(trainLength) <= Double(WorkloadOptions.mostPositions) else {
      throw ValidationError(
        "'--train-batch' times '--train-length' is more than \(WorkloadOptions.mostPositions) tokens. Ask for less.")
    }
  }

  var plan: TrainingPlan? {
    train.map {
      TrainingPlan(
        method: $0, batch: trainBatch, sequenceTokens: trainLength, optimizer: optimizer,
        hasCheckpointing: checkpointing)
    }
  }
}

extension TrainingPlan.Optimizer: ExpressibleByArgument {}

/// The answer to "can this machine retrain it?".
struct TrainingFace {
  let plan: TrainingPlan
  let memory: TrainingMemory
  let platform: Platform
  /// Tokens per second of the prompt of the same model, if known.
  let prefill: Known<TokenRate>

  private var total: Known<ByteCount> { memory.footprint.total }
  private var verdict: Verdict? { total.value.flatMap { platform.capacity.verdict(for: $0) } }
  /// A training pass computes what a prompt does, several times.
  private var rate: Known<TokenRate> { prefill.map { $0 / memory.passes } }

  func show(_ console: Console) {
    let answer =
      switch verdict {
      case .comfortable: "This machine can train it"
      case .tight: "This machine can just train it"
      case .no: "This machine cannot train it so"
      case nil: "Nobody knows how much memory this machine has"
      }
    console.answer([
      "",
      "\(answer): \(total.value.map(\.description) ?? "unknown") for "
        + "\(EstimateFace.count(memory.trainedParameters)) trained weights, \(plan.batch) × \(plan.sequenceTokens) tokens.",
    ])
    var table = TextTable([("TRAINING", .left), ("AMOUNT", .right), ("HOW", .left)])
    for item in memory.items {
      table.append([
        StyledText(item.label), StyledText(item.bytes.value.map(\.description) ?? "unknown"),
        StyledText(item.formula, .faint),
      ])
    }
    if let value = rate.value {
      table.append([
        StyledText("speed"), StyledText(value.description),
        StyledText("prompt's rate / \(QuantityFormat.fixed(memory.passes, decimals: 0)) passes", .faint),
      ])
    }
    console.answer(table)
  }

  var json: JSON {
    [
      "totalBytes": total.json, "trainedParameters": .integer(Int64(memory.trainedParameters)),
      "verdict": verdict.map { .string($0.rawValue) } ?? .null, "tokensPerSecond": rate.json,
      "items": .array(
        memory.items.map { ["label": .string($0.label), "bytes": $0.bytes.json, "how": .string($0.formula)] }),
    ]
  }
}
