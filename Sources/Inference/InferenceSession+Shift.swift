// SPDX-License-Identifier: Apache-2.0
internal import LanguageModel

/// Going on behind a full context: the first tokens stay, half of the others go, the rest moves up.
///
/// A rotation by position p and one by −d make one by p − d, so that cached keys follow their tokens without running them
/// again; values do not know of positions. What the tokens that stay have read of those that went stays in them: the text
/// goes on, but not as one that never had them.
/// - Source: attention sinks, StreamingLLM, arXiv 2309.17453: the first tokens must stay.
extension InferenceSession {
  /// - Throws: `LanguageRuntimeError.cannotShift` where the model or the context does not allow it.
  package func checkShift(keeping kept: Int) throws(LanguageRuntimeError) {
    if transformer.model.positions != nil {
      throw .cannotShift(reason: "its positions are learnt, and what they added stands in all that its layers computed")
    }
    guard transformer.cache.droppable(length: contextTokens, kept: kept) > 0 else {
      throw .cannotShift(reason: "a context of \(contextTokens) tokens has none to lose behind the first \(kept)")
    }
  }

  /// Takes tokens behind the first `kept` ones out of a sequence, half of them at most.
  ///
  /// - Returns: the positions that they had.
  /// - Throws: `LanguageRuntimeError.cannotShift`; the sequence is as it was then.
  @discardableResult
  package func shift(keeping kept: Int, sequence: Int = 0) throws(LanguageRuntimeError) -> Range<Int> {
    try checkShift(keeping: kept)
    let length = length(sequence: sequence)
    let count = transformer.cache.droppable(length: length, kept: kept)
    guard count > 0 else {
      throw .cannotShift(reason: "a text of \(length) tokens has none to lose behind the first \(kept)")
    }
    let range = kept..<kept + count
    transformer.forget(range, of: sequence, length: length)
    histories[sequence].removeSubrange(range)
    unshifted[sequence] = min(unshifted[sequence], kept)
    return range
  }
}

extension Transformer {
  /// Takes positions out of a sequence's caches.
  fileprivate func forget(_ range: Range<Int>, of sequence: Int, length: Int) {
    let shifted = model.layers.enumerated().flatMap { index, layer in
      cache.shifts(range, of: index, sequence: sequence, length: length, turn: keyTurn(layer, by: -range.count))
    }
    products.pool.forEachChunk(of: shifted.count, grain: 1) { _, items in
      for item in shifted[items] { cache.run(item, kernels: kernels) }
    }
  }

  private func keyTurn(_ layer: PreparedLayer, by positions: Int) -> KVCache.KeyTurn? {
    switch layer.mixer {
    case .attention(let attention):
      rotation(of: attention.shape).map {
        .init(turn: $0.turn(by: positions), width: attention.shape.keyWidth, offset: 0)
      }
    case .latent(let latent):
      .init(
        turn: rope.turn(by: positions), width: latent.shape.keyValueRank + latent.shape.ropeWidth,
        offset: latent.shape.keyValueRank)
    }
  }
}
