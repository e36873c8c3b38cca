// SPDX-License-Identifier: Apache-2.0
package import LanguageModel

/// The widths of a decoder of attention layers, the largest over its layers.
package struct RuntimeShape: Sendable {
  package var hidden: Int
  package var vocabulary: Int
  /// Of the dense and the shared part.
  package var feedForward = 0
  package var experts = 0
  package var activeExperts = 0
  package var expertWidth = 0
  package var queries = 0
  package var layerKeys = 0
  package var layerValues = 0
  package var mixed = 0
  package var headWidth = 0
  package var headsPerKeyHead = 1
  /// Rotated elements per head, over the tables that the layers need.
  package var rotated = 0
  /// Latent attention: the query's rank, all heads' queries against cached vectors, the widest input of one head.
  package var queryRank = 0
  package var latentQueries = 0
  package var latentHead = 0
  /// Elements that one position adds to all layers' caches.
  package var keyElements = 0
  package var valueElements = 0

  package init(_ architecture: ModelArchitecture) {
    hidden = architecture.hiddenSize
    vocabulary = architecture.vocabularySize
    for layer in architecture.layers {
      if let part = layer.feedForward { add(part) }
      for mixer in layer.mixers { add(mixer, architecture.forward) }
    }
    if architecture.forward.windowRope != nil { rotated *= 2 }
  }

  /// The widest vector that any matrix reads.
  package var widestInput: Int { max(hidden, feedForward, expertWidth, mixed, queryRank, latentHead) }

  func gateFormula(tokens u: Int) -> String {
    let rows = max(u, activeExperts)
    if rows * expertWidth > u * feedForward { return "\(rows) × \(expertWidth) × 4" }
    return "\(u) × \(feedForward) × 4"
  }

  private mutating func add(_ part: FeedForward) {
    feedForward = max(feedForward, part.width, part.sharedExpertWidth)
    experts = max(experts, part.experts)
    activeExperts = max(activeExperts, part.activeExperts)
    expertWidth = max(expertWidth, part.expertWidth)
  }

  private mutating func add(_ mixer: Mixer, _ rules: ForwardRules) {
    switch mixer {
    case .attention(let attention): add(attention, rules)
    case .latentAttention(let latent): add(latent)
    case .recurrent: break
    }
  }

  private mutating func add(_ latent: LatentAttention) {
    let cached = latent.keyValueRank + latent.ropeWidth
    queries = max(queries, latent.heads * (latent.plainWidth + latent.ropeWidth))
    mixed = max(mixed, latent.heads * latent.valueWidth)
    layerKeys = max(layerKeys, cached)
    headWidth = max(headWidth, cached)
    headsPerKeyHead = max(headsPerKeyHead, latent.heads)
    rotated = max(rotated, latent.ropeWidth)
    queryRank = max(queryRank, latent.queryRank ?? 0)
    latentQueries = max(latentQueries, latent.heads * cached)
    latentHead = max(latentHead, latent.plainWidth, latent.keyValueRank, latent.valueWidth)
    keyElements += cached
  }

  private mutating func add(_ attention: Attention, _ rules: ForwardRules) {
    queries = max(queries, attention.heads * attention.keyWidth)
    mixed = max(mixed, attention.heads * attention.valueWidth)
    layerKeys = max(layerKeys, attention.keyValueHeads * attention.keyWidth)
    layerValues = max(layerValues, attention.keyValueHeads * attention.valueWidth)
    headWidth = max(headWidth, attention.keyWidth, attention.valueWidth)
    headsPerKeyHead = max(headsPerKeyHead, attention.heads / max(1, attention.keyValueHeads))
    if attention.isRotated { rotated = max(rotated, min(rules.rope.width ?? attention.keyWidth, attention.keyWidth)) }
    keyElements += attention.keyValueHeads * attention.keyWidth
    valueElements += attention.keyValueHeads * attention.valueWidth
  }
}
