// SPDX-License-Identifier: Apache-2.0
internal import CostModel
package import Evidence
package import Inference
internal import LanguageModel

/// Times decoding with a draft's proposals beside decoding token by token.
package struct DraftMeasurer {
  private let session: InferenceSession
  private let tokenizer: Tokenizer
  private let drafter: Drafter
  private let progress: (String) -> Void
  private let isCancelled: () -> Bool

  package init(
    session: InferenceSession, tokenizer: Tokenizer, drafter: Drafter,
    progress: @escaping (String) -> Void = { _ in }, isCancelled: @escaping () -> Bool = { false }
  ) {
    self.session = session
    self.tokenizer = tokenizer
    self.drafter = drafter
    self.progress = progress
    self.isCancelled = isCancelled
  }

  /// The samples of each kind, in seconds.
  private struct Samples {
    var plain: [Double] = []
    var drafted: [Double] = []
    /// Of the draft alone; none without a model.
    var draft: [Double] = []
    /// Of a pass over a round's tokens.
    var pass: [Double] = []
  }

  /// Greedy texts of `count` tokens behind a prompt, which is in both caches before the clock starts.
  ///
  /// - Throws: `RunnerError.interrupted` before the first whole round of samples; `LanguageRuntimeError`.
  package func measure(_ prompt: [Int32], count: Int, samples: Int, model: String, draft: String) throws
    -> DraftMeasurement
  {
    progress("warming up")
    let plain = try generate(prompt, count, on: session).text
    let drafted = try generate(prompt, count, on: session, drafter: drafter).text
    var times = Samples()
    for round in 0..<max(1, samples) where !isCancelled() {
      progress("sample \(round + 1) of \(samples)")
      try sample(prompt, count, isDraftedFirst: round % 2 == 1, &times)
    }
    guard !times.drafted.isEmpty else { throw RunnerError.interrupted }
    let drafting = drafted.drafting ?? .init()
    let tokens = Double(max(1, plain.tokens.count))
    func rates(_ seconds: [Double]) -> SampleStatistics { SampleStatistics(seconds.map { tokens / $0 }) }
    let token = SampleStatistics(times.plain).median / tokens
    return DraftMeasurement(
      model: model, draft: draft, draftTokens: drafter.count, promptTokens: prompt.count,
      generatedTokens: plain.tokens.count, threads: session.pool.counts.decode,
      threadsBatch: session.pool.counts.prefill, kernels: session.kernels.name.rawValue,
      plain: rates(times.plain), drafted: rates(times.drafted),
      speedUp: SampleStatistics(zip(times.plain, times.drafted).map { $0 / $1 }), acceptance: drafting.acceptance,
      tokensPerPass: tokens / Double(max(1, plain.tokens.count - drafting.accepted)),
      draftCost: times.draft.isEmpty ? 0 : SampleStatistics(times.draft).median / token,
      verificationCost: SampleStatistics(times.pass).median / token, isSameText: plain.tokens == drafted.tokens)
  }

  private func sample(_ prompt: [Int32], _ count: Int, isDraftedFirst: Bool, _ times: inout Samples) throws {
    for isDrafted in [isDraftedFirst, !isDraftedFirst] {
      let seconds = try generate(prompt, count, on: session, drafter: isDrafted ? drafter : nil).seconds
      if isDrafted { times.drafted.append(seconds) } else { times.plain.append(seconds) }
    }
    if let model = drafter.model {
      let (seconds, text) = try generate(prompt, count, on: model)
      times.draft.append(seconds / Double(max(1, text.tokens.count)))
    }
    let round = Array(repeatElement(prompt.last ?? 0, count: drafter.count + 1))
    let kept = session.truncate(to: prompt.count)
    try session.run(Array(prompt[kept...]))
    let seconds = try Timing.seconds { _ = try session.logits(after: round, rows: round.count) }
    times.pass.append(seconds)
  }

  /// Both caches hold the prompt and nothing else when the clock starts.
  private func generate(
    _ prompt: [Int32], _ count: Int, on session: InferenceSession, drafter: Drafter? = nil
  ) throws -> (seconds: Double, text: TextGenerator.Result) {
    for cache in [session, drafter?.model].compactMap({ $0 }) {
      let kept = cache.reuse(prompt)
      try cache.run(Array(prompt[kept..<prompt.count - 1]))
    }
    let greedy = Sampler(.init(temperature: 0))
    let generator = TextGenerator(session: session, tokenizer: tokenizer, sampler: greedy, drafter: drafter)
    let start = Timing.now()
    let text = try generator.generate(prompt, count: count)
    return (Timing.now() - start, text)
  }
}
