// SPDX-License-Identifier: Apache-2.0
internal import CostModel
internal import LanguageModel

/// Running a model in pieces: the embedding first, then states through layers that may belong to another session.
extension InferenceSession {
  /// The states (tokens, hidden) that enter the first layer, for tokens at the beginning of a sequence.
  ///
  /// - Precondition: all tokens are in the vocabulary.
  package func embed(_ tokens: [Int32], into states: UnsafeMutablePointer<Float>) {
    let width = architecture.hiddenSize
    for start in stride(from: 0, to: tokens.count, by: plan.microBatch) {
      let chunk = tokens[start..<min(start + plan.microBatch, tokens.count)]
      let x = buffers.floats(.hidden)
      for part in Batch(chunk, at: start, of: 0).parts { transformer.embed(part, into: x) }
      (states + start * width).update(from: x, count: chunk.count * width)
    }
  }

  /// Runs states (count, hidden) through all layers in place, as the beginning of a sequence.
  ///
  /// - Precondition: the session's context holds `count` tokens.
  package func run(states: UnsafeMutablePointer<Float>, count: Int) {
    let width = architecture.hiddenSize
    for start in stride(from: 0, to: count, by: plan.microBatch) {
      let chunk = min(plan.microBatch, count - start)
      let x = buffers.floats(.hidden)
      x.update(from: states + start * width, count: chunk * width)
      let places = ArraySlice(repeatElement(Int32(0), count: chunk))
      transformer.runStates(Batch(places, at: start, of: 0))
      (states + start * width).update(from: x, count: chunk * width)
    }
  }
}
