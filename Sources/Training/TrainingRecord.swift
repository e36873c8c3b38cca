// SPDX-License-Identifier: Apache-2.0
package import JSONText
package import Quantities

/// What a training did.
package struct TrainingRecord: Sendable, Equatable {
  package var model: String
  package var output: String
  /// Everything that decided the result, in one line.
  package var summary: String
  package var variant: String
  package var steps: Int
  /// Tokens that gradients were taken of.
  package var tokens: Int
  package var seed: UInt64
  package var trainedParameters: Int
  /// The mean loss of the first and of the last tenth of the steps.
  package var firstLoss: TokenLoss.Value
  package var lastLoss: TokenLoss.Value
  /// The cross entropy of the validation text before and after, in nats per token.
  package var validation: Validation?
  /// Weights that change, their gradients and the optimiser's two moments.
  package var stateBytes: ByteCount
  package var bytes: ByteCount
  package var peakMemory: ByteCount?
  /// Of all runs, where it was interrupted.
  package var seconds: Double

  package struct Validation: Sendable, Equatable {
    package var tokens: Int
    package var before: Double
    package var after: Double
  }

  /// The members of the answer of `train` (docs/json.md).
  package var members: [JSON.Member] {
    [
      .init("model", .string(model)), .init("output", .string(output)), .init("variant", .string(variant)),
      .init("training", .string(summary)), .init("steps", .integer(Int64(steps))),
      .init("tokens", .integer(Int64(tokens))), .init("seed", .integer(Int64(clamping: seed))),
      .init("trainedParameters", .integer(Int64(trainedParameters))),
      .init("firstLoss", .number(firstLoss.total)), .init("lastLoss", .number(lastLoss.total)),
      .init("firstCrossEntropy", .number(firstLoss.crossEntropy)),
      .init("lastCrossEntropy", .number(lastLoss.crossEntropy)),
      .init(
        "validation",
        validation.map {
          [
            "tokens": .integer(Int64($0.tokens)), "crossEntropyBefore": .number($0.before),
            "crossEntropyAfter": .number($0.after),
          ]
        } ?? .null), .init("stateBytes", .integer(stateBytes.bytes)), .init("fileBytes", .integer(bytes.bytes)),
      .init("peakResidentBytes", peakMemory.map { .integer($0.bytes) } ?? .null), .init("seconds", .number(seconds)),
    ]
  }
}
