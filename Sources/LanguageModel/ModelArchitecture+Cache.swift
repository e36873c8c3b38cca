// SPDX-License-Identifier: Apache-2.0

/// What one mixer remembers per position: the key-value cache before any number format.
package struct CacheShape: Sendable, Equatable {
  /// Elements of the key (and of an indexer's key) per cached position.
  package var keyElements: Int
  /// 0 where the key serves as value too.
  package var valueElements: Int
  /// The most positions that are kept; nil keeps all.
  package var window: Int?
  /// Tokens that share one cached position.
  package var stride: Int

  /// Cached positions for a context of `tokens`.
  package func positions(tokens: Int) -> Int {
    let kept = window.map { min($0, tokens) } ?? tokens
    return kept / max(1, stride)
  }
}

extension Mixer {
  /// The cache of this mixer; nil for recurrent mixers and for layers that read another layer's cache.
  ///
  /// - Source: `h_kv·(d_k + d_v)` per position; `r_kv + d_r` for latent attention (arXiv 2405.04434).
  package var cache: CacheShape? {
    switch self {
    case .attention(let shape):
      guard shape.hasOwnCache else { return nil }
      return CacheShape(
        keyElements: shape.keyValueHeads * shape.keyWidth + shape.indexWidth,
        valueElements: shape.keyValueHeads * shape.valueWidth, window: shape.window, stride: 1)
    case .latentAttention(let shape):
      return CacheShape(
        keyElements: shape.keyValueRank + shape.ropeWidth + shape.indexWidth, valueElements: 0,
        window: shape.window, stride: shape.stride)
    case .recurrent: return nil
    }
  }
}

extension ModelArchitecture {
  /// Elements of recurrent and convolution state of one sequence, over all layers; kept in 32 bits.
  package var stateElements: Int {
    layers.reduce(0) { sum, layer in
      layer.mixers.reduce(sum) { sum, mixer in
        guard case .recurrent(let state) = mixer else { return sum }
        return sum + state.stateElements + state.convolutionElements
      }
    }
  }

  /// Refuses a cache that no model has: 2^32 elements per token, a thousand times GPT-3's. Below it, any context that
  /// a file may state gives byte counts inside 64 bits.
  func checkCache(file: String) throws(ConfigurationError) {
    guard cacheElements(tokens: 1) <= 1 << 32 else {
      throw .tooLarge(file: file, what: "a key-value cache of more than 2^32 elements per token")
    }
  }

  /// Elements of keys and values that one sequence of `tokens` caches, over all layers.
  package func cacheElements(tokens: Int) -> Int {
    layers.reduce(0) { sum, layer in
      layer.mixers.reduce(sum) { sum, mixer in
        guard let cache = mixer.cache else { return sum }
        return sum + cache.positions(tokens: tokens) * (cache.keyElements + cache.valueElements)
      }
    }
  }
}

extension LayerDescription {
  /// Bytes of the layer's cache and states for one sequence of `tokens`.
  package func cacheBytes(tokens: Int, bitsPerElement: Double) -> Double {
    mixers.reduce(0) { sum, mixer in
      if case .recurrent(let state) = mixer { return sum + 4 * Double(state.stateElements + state.convolutionElements) }
      guard let cache = mixer.cache else { return sum }
      let elements = cache.positions(tokens: tokens) * (cache.keyElements + cache.valueElements)
      return sum + Double(elements) * bitsPerElement / 8
    }
  }
}

extension ModelArchitecture {
  /// Heads that queries are divided into, and KV heads, of the layer with the fewest; one KV head where a single vector
  /// is cached for all, and where no layer attends.
  package var fewestHeads: Int { fewest { $0.heads } ?? 1 }
  package var fewestKeyValueHeads: Int { fewest { $0.keyValueHeads } ?? 1 }

  private func fewest(_ heads: ((heads: Int, keyValueHeads: Int)) -> Int) -> Int? {
    layers.flatMap(\.mixers).compactMap { mixer -> Int? in
      switch mixer {
      case .attention(let shape): heads((shape.heads, shape.keyValueHeads))
      case .latentAttention(let shape): heads((shape.heads, 1))
      case .recurrent: nil
      }
    }.min()
  }
}
