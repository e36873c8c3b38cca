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
  }

  private let session: InferenceSession
  private let tokenizer: Tokenizer
  private var sampler: Sampler

  package init(session: InferenceSession, tokenizer: Tokenizer, sampler: Sampler) {
    self.session = session
    self.tokenizer = tokenizer
    self.sampler = sampler
  }

  /// Generates at most `count` tokens behind the prompt.
  ///
  /// - Parameters:
  ///   - prompt: the prompt's tokens; none starts from the beginning-of-sequence token.
  ///   - onText: gets each piece of text as soon as its characters are complete.
  /// - Throws: `LanguageRuntimeError.contextFull` when the prompt alone does not fit.
  package mutating func generate(
    _ prompt: [Int32], count: Int, isCancelled: () -> Bool = { false }, onText: (String) -> Void = { _ in }
  ) throws(LanguageRuntimeError) -> Result {
    var input = prompt.isEmpty ? [tokenizer.beginOfSequence ?? 0] : prompt
    sampler.note(input)
    var decoder = TokenDecoder(tokenizer)
    var result = Result(tokens: [], text: "", stop: .length)
    while result.tokens.count < count {
      if isCancelled() {
        result.stop = .cancelled
        break
      }
      let logits: UnsafeMutableBufferPointer<Float>
      do { logits = try session.logits(after: input) } catch {
        guard case .contextFull = error, !result.tokens.isEmpty else { throw error }
        result.stop = .contextFull
        break
      }
      let token = sampler.next(logits)
      guard !tokenizer.endOfGeneration.contains(token) else {
        result.stop = .endOfGeneration
        break
      }
      result.tokens.append(token)
      let piece = decoder.text(after: token)
      result.text += piece
      onText(piece)
      input = [token]
    }
    let rest = decoder.rest()
    result.text += rest
    onText(rest)
    return result
  }
}
