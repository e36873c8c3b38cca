// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import CostModel

/// Whether a machine can train the model further, and how.
struct TrainingOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("What training takes: full, lora-16 or qlora-16.", valueName: "method"),
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
