// SPDX-License-Identifier: Apache-2.0

/// One text while it grows: tokens that the model has not seen yet, and what was chosen so far.
struct GrowingText {
  var result = TextGenerator.Result(tokens: [], text: "", stop: .length)
  /// Tokens to run next: the prompt, then the last one chosen.
  private(set) var pending: ArraySlice<Int32>
  private(set) var isComplete: Bool
  /// The prompt and all that was chosen, as far as the context holds it.
  private(set) var tokens: [Int32]
  private(set) var sampler: Sampler
  private let count: Int
  private let tokenizer: Tokenizer
  private var decoder: TokenDecoder

  /// - Parameter prompt: none starts from the beginning-of-sequence token.
  init(_ prompt: [Int32], count: Int, tokenizer: Tokenizer, sampler: Sampler) {
    let start = prompt.isEmpty ? [tokenizer.beginOfSequence ?? 0] : prompt
    tokens = start
    pending = start[...]
    isComplete = count <= 0
    self.count = count
    self.tokenizer = tokenizer
    self.sampler = sampler
    decoder = TokenDecoder(tokenizer)
    self.sampler.note(start)
  }

  /// The first of the pending tokens are in the cache now.
  mutating func ran(_ tokens: Int) { pending = pending.dropFirst(tokens) }

  /// The first of the prompt's tokens were in the cache from before.
  mutating func reused(_ tokens: Int) {
    result.reused = tokens
    ran(tokens)
  }

  /// Tokens that the session's context has lost; the text keeps them.
  mutating func shifted(_ range: Range<Int>) {
    tokens.removeSubrange(range)
    result.shifts += 1
  }

  /// Tokens that it may still take.
  var room: Int { count - result.tokens.count }

  /// Chooses as many tokens as the drafts agree with, and one more.
  ///
  /// - Parameter logits: those behind all tokens, then those behind each draft.
  /// - Returns: the pieces of text.
  mutating func append(_ logits: [UnsafeMutableBufferPointer<Float>], judging drafts: [Draft]) -> [String] {
    var pieces: [String] = []
    result.drafting?.note(proposed: drafts.count)
    for (index, row) in logits.enumerated() {
      let draft = index < drafts.count ? drafts[index] : nil
      ran(pending.count)
      let token = sampler.choose(row, judging: draft).token
      if let draft { result.drafting?.note(accepted: token == draft.token) }
      if let piece = take(token) { pieces.append(piece) }
      if isComplete || token != draft?.token { break }
    }
    return pieces
  }

  /// Chooses the next token from the logits behind all others; its text, or nil at the end of the text.
  mutating func append(_ logits: UnsafeMutableBufferPointer<Float>) -> String? { take(sampler.next(logits)) }

  private mutating func take(_ token: Int32) -> String? {
    guard !tokenizer.endOfGeneration.contains(token) else {
      stop(.endOfGeneration)
      return nil
    }
    result.tokens.append(token)
    tokens.append(token)
    pending = [token]
    isComplete = result.tokens.count >= count
    let piece = decoder.text(after: token)
    result.text += piece
    return piece
  }

  mutating func stop(_ reason: TextGenerator.Stop) {
    result.stop = reason
    isComplete = true
  }

  /// What is left of an incomplete character.
  mutating func finish() -> String {
    let rest = decoder.rest()
    result.text += rest
    return rest
  }
}
