// SPDX-License-Identifier: Apache-2.0
internal import LanguageModel
internal import ModelFiles

/// What caches hold already need not run again.
extension InferenceSession {
  /// Makes a sequence begin with all that another one holds, as if it had run the same tokens.
  package func copy(sequence source: Int, to target: Int) {
    guard source != target else { return }
    transformer.cache.copy(source, to: target, positions: histories[source].count)
    histories[target] = histories[source]
    unshifted[target] = unshifted[source]
  }

  /// Keeps what a sequence's cache has in common with the beginning of a text, but never all of the text, and forgets the
  /// rest; nothing where a window has left the beginning behind.
  ///
  /// - Returns: how many of the tokens need not run again.
  @discardableResult
  package func reuse(_ tokens: [Int32], sequence: Int = 0) -> Int {
    truncate(to: min(common(sequence, tokens), tokens.count - 1), sequence: sequence)
  }

  /// Makes a sequence begin with the most that any cache has in common with the beginning of a text, but never all of it.
  ///
  /// - Parameter least: less is not worth the copy, and then the sequence is empty.
  /// - Returns: how many of the tokens need not run again.
  func share(_ tokens: [Int32], to sequence: Int, least: Int) -> Int {
    let counts = histories.indices.map { reachable(common($0, tokens), sequence: $0) }
    guard let best = counts.indices.max(by: { counts[$0] < counts[$1] }), counts[best] >= least else {
      truncate(sequence: sequence)
      return 0
    }
    if counts[best] > counts[sequence] {
      transformer.cache.copy(best, to: sequence, positions: counts[best])
      histories[sequence] = Array(tokens.prefix(counts[best]))
      unshifted[sequence] = .max
    }
    return reuse(tokens, sequence: sequence)
  }

  /// What a shift has moved is no beginning of any text.
  private func common(_ sequence: Int, _ tokens: [Int32]) -> Int {
    min(unshifted[sequence], zip(histories[sequence], tokens).prefix { $0 == $1 }.count)
  }

  /// Writes a sequence's tokens and cache to a file.
  ///
  /// - Precondition: the sequence has not been shifted.
  /// - Throws: `ModelFileError.unwritable`.
  package func saveCache(to path: String, sequence: Int = 0) throws {
    try promptCache.save(histories[sequence], of: sequence, to: path)
  }

  /// Takes a sequence's tokens and cache from a file, as far as the context holds them.
  ///
  /// - Throws: `PromptCacheError`; `ModelFileError.unreadable`.
  package func loadCache(from path: String, sequence: Int = 0) throws {
    histories[sequence] = try promptCache.load(sequence, limit: contextTokens, from: path)
    unshifted[sequence] = .max
  }

  private var promptCache: PromptCache {
    var digest = Digest()
    digest.add(weightsDigest)
    digest.add("\(architecture)")
    digest.add("\(transformer.rope.frequencies)")
    return PromptCache(model: digest.text, cache: transformer.cache, vocabulary: architecture.vocabularySize)
  }

  /// Of each tensor the shape, the format and the first bytes: other weights differ in nearly all of them.
  static func digest(of weights: any WeightSource) -> String {
    var digest = Digest()
    for (index, tensor) in weights.inventory.tensors.enumerated() {
      digest.add("\(tensor)")
      digest.add(UnsafeRawBufferPointer(rebasing: weights.bytes(ofTensor: index).prefix(256)))
    }
    return digest.text
  }
}
