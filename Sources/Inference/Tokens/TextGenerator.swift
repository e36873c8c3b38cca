// SPDX-License-Identifier: Apache-2.0

/// Continues a prompt token by token.
package struct TextGenerator {
  /// Why a generation ended.
  package enum Stop: String, Sendable, Equatable {
    case endOfGeneration = "end"
    case length, contextFull = "context-full", cancelled
  }

  package struct Result: Sendable, Equatable {
    package var tokens: [Int32]
    package var text: String
    package var stop: Stop
    /// Tokens of the prompt that a cache held already.
    package var reused = 0
    /// How often the context lost tokens to go on.
    package var shifts = 0
    /// Nil without a drafter.
    package var drafting: Drafting?
  }

  /// What a draft was good for.
  package struct Drafting: Sendable, Equatable {
    package var proposed = 0
    package var accepted = 0
    /// Passes that judged at least one proposal.
    package var passes = 0

    /// The share of the judged proposals that were accepted: of those behind a rejected one nobody knows.
    package var judged = 0
    package var acceptance: Double { judged > 0 ? Double(accepted) / Double(judged) : 0 }

    package init() {}
  }

  private let session: InferenceSession
  private let tokenizer: Tokenizer
  private let sampler: Sampler
  private let drafter: Drafter?
  private let keptTokens: Int?

  /// - Parameters:
  ///   - drafter: proposes tokens, of which the session judges several in one pass; greedy texts are the same with and
  ///     without, sampled ones are distributed the same.
  ///   - keptTokens: tokens that a full context keeps of its beginning to go on; nil ends there.
  package init(
    session: InferenceSession, tokenizer: Tokenizer, sampler: Sampler, drafter: Drafter? = nil, keptTokens: Int? = nil
  ) {
    self.keptTokens = keptTokens
    self.session = session
    self.tokenizer = tokenizer
    self.sampler = sampler
    self.drafter = drafter
  }

  /// Generates at most `count` tokens behind the prompt, of which only what the session's cache does not begin with runs.
  ///
  /// - Parameters:
  ///   - prompt: the prompt's tokens; none starts from the beginning-of-sequence token.
  ///   - onText: gets each piece of text as soon as its characters are complete.
  /// - Throws: `LanguageRuntimeError.contextFull` when the prompt alone does not fit, `.cannotShift`.
  package func generate(
    _ prompt: [Int32], count: Int, isCancelled: () -> Bool = { false }, onText: (String) -> Void = { _ in }
  ) throws(LanguageRuntimeError) -> Result {
    if let keptTokens { try session.checkShift(keeping: keptTokens) }
    var text = GrowingText(prompt, count: count, tokenizer: tokenizer, sampler: sampler)
    var drafter = self.drafter
    text.result.drafting = drafter.map { _ in Drafting() }
    text.reused(session.reuse(text.tokens))
    while !text.isComplete {
      if isCancelled() {
        text.stop(.cancelled)
        break
      }
      if let keptTokens, !text.result.tokens.isEmpty, session.length() == session.contextTokens {
        text.shifted(try session.shift(keeping: keptTokens))
      }
      let drafts = try drafter?.drafts(behind: text, for: session) ?? []
      let logits: [UnsafeMutableBufferPointer<Float>]
      do {
        logits = try session.logits(after: text.pending + drafts.map(\.token), rows: drafts.count + 1)
      } catch {
        guard case .contextFull = error, !text.result.tokens.isEmpty else { throw error }
        text.stop(.contextFull)
        break
      }
      text.append(logits, judging: drafts).forEach(onText)
      // What stood on a rejected proposal.
      session.truncate(to: text.tokens.count - text.pending.count)
    }
    onText(text.finish())
    return text.result
  }
}
