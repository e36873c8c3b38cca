// SPDX-License-Identifier: Apache-2.0
internal import CostModel

/// Continues many prompts in the caches of one session: as soon as a text is complete, the next one takes its place.
///
/// Each pass takes one token of every text that decodes and fills up with tokens of prompts, so that a long prompt does
/// not keep the others waiting. What all prompts begin with runs once, and what a cache holds does not run again.
package struct BatchGenerator {
  private let session: InferenceSession
  private let tokenizer: Tokenizer
  /// The most tokens of one pass.
  private let tokensPerPass: Int
  private let keptTokens: Int?

  /// - Parameters:
  ///   - tokensPerPass: nil takes the session's micro-batch; never less than a token for each sequence.
  ///   - keptTokens: tokens that a full context keeps of its beginning to go on; nil ends there.
  package init(
    session: InferenceSession, tokenizer: Tokenizer, tokensPerPass: Int? = nil, keptTokens: Int? = nil
  ) {
    self.keptTokens = keptTokens
    self.session = session
    self.tokenizer = tokenizer
    self.tokensPerPass = min(session.plan.microBatch, max(session.sequences, tokensPerPass ?? .max))
  }

  /// A text in one of the caches.
  private struct Slot {
    let request: Int
    var text: GrowingText
    /// Tokens of it in the next pass.
    var share = 0
  }

  /// Generates at most `count` tokens behind each prompt.
  ///
  /// - Parameters:
  ///   - samplers: one for each prompt.
  ///   - onResult: gets each text as soon as it is complete, with the index of its prompt.
  /// - Returns: the texts in the order of the prompts; after a cancellation those without a cache are empty.
  /// - Throws: `LanguageRuntimeError.contextFull` before anything runs when a prompt alone does not fit, `.cannotShift`.
  package func generate(
    _ prompts: [[Int32]], count: Int, samplers: [Sampler], isCancelled: () -> Bool = { false },
    onResult: (Int, TextGenerator.Result) -> Void = { _, _ in }
  ) throws(LanguageRuntimeError) -> [TextGenerator.Result] {
    if prompts.contains(where: { $0.count > session.contextTokens }) {
      throw .contextFull(limit: session.contextTokens)
    }
    if let keptTokens { try session.checkShift(keeping: keptTokens) }
    try runCommonBeginning(of: prompts)
    var results = [TextGenerator.Result](
      repeating: .init(tokens: [], text: "", stop: .cancelled), count: prompts.count)
    var waiting = prompts.indices.makeIterator()
    var slots = [Slot?](repeating: nil, count: session.sequences)
    while true {
      for sequence in slots.indices where slots[sequence] == nil {
        guard let request = waiting.next() else { break }
        var text = GrowingText(prompts[request], count: count, tokenizer: tokenizer, sampler: samplers[request])
        text.reused(session.share(text.tokens, to: sequence, least: Self.leastShared))
        slots[sequence] = Slot(request: request, text: text)
      }
      if isCancelled() { for index in slots.indices { slots[index]?.text.stop(.cancelled) } }
      if slots.allSatisfy({ $0 == nil }) { return results }
      try pass(&slots)
      for sequence in slots.indices {
        guard var slot = slots[sequence], slot.text.isComplete else { continue }
        _ = slot.text.finish()
        results[slot.request] = slot.text.result
        onResult(slot.request, slot.text.result)
        slots[sequence] = nil
      }
      if isCancelled() { return results }
    }
  }

  /// A shorter beginning costs hardly more than one token in a pass of its own.
  static let leastShared = Products.fewTokens

  private func runCommonBeginning(of prompts: [[Int32]]) throws(LanguageRuntimeError) {
    guard prompts.count > 1, let first = prompts.first, let shortest = prompts.map(\.count).min() else { return }
    let common = prompts.reduce(shortest - 1) { count, prompt in
      min(count, zip(first, prompt).prefix { $0 == $1 }.count)
    }
    guard common >= Self.leastShared else { return }
    let kept = session.share(Array(first.prefix(common + 1)), to: 0, least: Self.leastShared)
    try session.run(Array(first[kept..<common]))
  }

  /// One pass over all texts that are not complete.
  private func pass(_ slots: inout [Slot?]) throws(LanguageRuntimeError) {
    try share(&slots)
    var inputs: [(sequence: Int, tokens: [Int32])] = []
    for (sequence, slot) in slots.enumerated() {
      guard let slot, slot.share > 0 else { continue }
      inputs.append((sequence, Array(slot.text.pending.prefix(slot.share))))
    }
    guard !inputs.isEmpty else { return }
    let logits = try session.logits(after: inputs)
    for (input, logits) in zip(inputs, logits) {
      slots[input.sequence]?.text.ran(input.tokens.count)
      // Only the end of a prompt is followed by a choice.
      if slots[input.sequence]?.text.pending.isEmpty == true { _ = slots[input.sequence]?.text.append(logits) }
    }
  }

  /// A full context ends its text or loses tokens.
  private func makeRoom(for text: inout GrowingText, _ sequence: Int) throws(LanguageRuntimeError) {
    guard let keptTokens else { return text.stop(.contextFull) }
    text.shifted(try session.shift(keeping: keptTokens, sequence: sequence))
  }

  /// Splits the tokens of a pass: those that decode first, then prompts in the order of their caches.
  private func share(_ slots: inout [Slot?]) throws(LanguageRuntimeError) {
    var budget = tokensPerPass
    for isDecoding in [true, false] {
      for sequence in slots.indices {
        guard var slot = slots[sequence], (slot.text.pending.count == 1) == isDecoding else { continue }
        slot.share = 0
        if session.length(sequence: sequence) == session.contextTokens { try makeRoom(for: &slot.text, sequence) }
        if !slot.text.isComplete {
          slot.share = min(budget, slot.text.pending.count)
          budget -= slot.share
        }
        slots[sequence] = slot
      }
    }
  }
}
