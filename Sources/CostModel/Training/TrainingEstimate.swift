// SPDX-License-Identifier: Apache-2.0
package import Compression
package import LanguageModel
package import Quantities

/// Whether a platform can train a model further, and how fast.
package struct TrainingEstimate: Sendable {
  package let plan: TrainingPlan
  package let memory: TrainingMemory
  /// Nil when nobody knows how much memory there is.
  package let verdict: Verdict?
  /// Tokens that are learnt from per second.
  package let rate: Known<TokenRate>

  /// - Parameter prefill: the rate of the model's prompts: a training pass computes what a prompt does, several times.
  /// - Throws: `CompressionError` for a model whose shapes do not allow the plan's adapters.
  package init(
    _ description: LanguageModelDescription, _ plan: TrainingPlan, on platform: Platform, prefill: Known<TokenRate>
  ) throws(CompressionError) {
    self.plan = plan
    let memory = try TrainingMemory(description, plan)
    self.memory = memory
    verdict = memory.footprint.total.value.flatMap { platform.capacity.verdict(for: $0) }
    rate = prefill.map { $0 / memory.passes }
  }

  package var total: Known<ByteCount> { memory.footprint.total }
  package var fits: Bool? { verdict.map { $0 != .no } }
}
