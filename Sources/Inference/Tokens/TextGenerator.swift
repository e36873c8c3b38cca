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
  private let sampler: Sampler

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
  package func generate(
    _ prompt: [Int32], count: Int, isCancelled: () -> Bool = { false }, onText: (String) -> Void = { _ in }
  ) throws(LanguageRuntimeError) -> Result {
    var text = GrowingText(prompt, count: count, tokenizer: tokenizer, sampler: sampler)
    while !text.isComplete {
      if isCancelled() {
        text.stop(.cancelled)
        break
      }
      let logits: UnsafeMutableBufferPointer<Float>
      do { logits = try session.logits(after: Array(text.pending)) } catch {
        guard case .contextFull = error, !text.result.tokens.isEmpty else { throw error }
        text.stop(.contextFull)
        break
      }
      text.ran(text.pending.count)
      if let piece = text.append(logits) { onText(piece) }
    }
    onText(text.finish())
    return text.result
  }
}
