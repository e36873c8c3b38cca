// SPDX-License-Identifier: Apache-2.0
package import JSONText

/// Decoding with proposals of a draft beside decoding token by token, by turns in one run.
package struct DraftMeasurement: Sendable, Equatable {
  package var model: String
  package var draft: String
  /// The most proposals of a round.
  package var draftTokens: Int
  package var promptTokens: Int
  package var generatedTokens: Int
  /// Of passes of a few rows, and of prompts.
  package var threads: Int
  package var threadsBatch: Int
  package var kernels: String
  /// Tokens per second.
  package var plain: SampleStatistics
  package var drafted: SampleStatistics
  /// The second over the first, of the same round of samples.
  package var speedUp: SampleStatistics
  /// The share of the judged proposals that were accepted.
  package var acceptance: Double
  package var tokensPerPass: Double
  /// A token of the draft over a token of the model, in time.
  package var draftCost: Double
  /// A pass over a round's tokens over a pass over one token, in time.
  package var verificationCost: Double
  /// Whether both gave the same tokens.
  package var isSameText: Bool

  package init(
    model: String, draft: String, draftTokens: Int, promptTokens: Int, generatedTokens: Int, threads: Int,
    threadsBatch: Int, kernels: String, plain: SampleStatistics, drafted: SampleStatistics, speedUp: SampleStatistics,
    acceptance: Double, tokensPerPass: Double, draftCost: Double, verificationCost: Double, isSameText: Bool
  ) {
    self.model = model
    self.draft = draft
    self.draftTokens = draftTokens
    self.promptTokens = promptTokens
    self.generatedTokens = generatedTokens
    self.threads = threads
    self.threadsBatch = threadsBatch
    self.kernels = kernels
    self.plain = plain
    self.drafted = drafted
    self.speedUp = speedUp
    self.acceptance = acceptance
    self.tokensPerPass = tokensPerPass
    self.draftCost = draftCost
    self.verificationCost = verificationCost
    self.isSameText = isSameText
  }

  /// The members of the answer of `measure --draft` (docs/json.md).
  package var members: [JSON.Member] {
    [
      .init("model", .string(model)), .init("draft", .string(draft)),
      .init("draftTokens", .integer(Int64(draftTokens))), .init("promptTokens", .integer(Int64(promptTokens))),
      .init("generatedTokens", .integer(Int64(generatedTokens))), .init("threads", .integer(Int64(threads))),
      .init("threadsBatch", .integer(Int64(threadsBatch))),
      .init("kernels", .string(kernels)), .init("plainTokensPerSecond", plain.json),
      .init("draftedTokensPerSecond", drafted.json), .init("speedUp", speedUp.json),
      .init("acceptance", .number(acceptance)), .init("tokensPerPass", .number(tokensPerPass)),
      .init("draftCost", .number(draftCost)), .init("verificationCost", .number(verificationCost)),
      .init("sameText", .bool(isSameText)),
    ]
  }
}
