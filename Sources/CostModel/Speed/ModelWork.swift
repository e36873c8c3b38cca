// SPDX-License-Identifier: Apache-2.0
package import LanguageModel
internal import Quantities

/// What a model does for a workload whatever its variant: computed once per model.
package struct ModelWork: Sendable {
  package let workload: Workload
  package let layers: Int
  package let hiddenSize: Int
  /// Of the layer with the fewest; one where a single vector is cached for all heads.
  package let keyValueHeads: Int
  /// Elements of the table that turns a hidden state into logits.
  package let headElements: Int
  package let hasTiedHead: Bool
  /// Routed experts of a layer, and how many a token visits; 1 of 1 in a dense model.
  package let experts: Int
  package let activeExperts: Int
  /// Cached bytes that a decode step of one sequence reads, half-way through the generation.
  package let cacheBytesRead: Double
  /// The position half-way through the generation.
  package let middlePosition: Int
  /// Multiply-adds of attention over those positions, in operations.
  package let attentionOperations: Double
  /// Operations of attention over the whole prompt, causal.
  package let promptAttentionOperations: Double
  /// Bytes of recurrent state read and written per step and sequence.
  package let stateBytes: Double
  /// Bytes of activations that operators without weights read or write per token.
  package let activations: ActivationWork
  package var activationBytes: Double { activations.total }
  /// Elements of a head's key; the widest layer's.
  package let headWidth: Int
  /// Heads that share a KV head; the layer's with the most.
  package let headsPerKeyHead: Int

  package init(_ architecture: ModelArchitecture, _ workload: Workload) {
    self.workload = workload
    layers = architecture.layers.count
    hiddenSize = architecture.hiddenSize
    keyValueHeads = architecture.fewestKeyValueHeads
    headElements = architecture.vocabularySize * architecture.hiddenSize
    hasTiedHead = architecture.hasTiedEmbeddings
    let routed = architecture.layers.lazy.compactMap(\.feedForward).first { $0.experts > 0 }
    experts = max(1, routed?.experts ?? 1)
    activeExperts = max(1, min(routed?.activeExperts ?? 1, routed?.experts ?? 1))
    let prompt = min(workload.promptTokens, workload.contextTokens)
    let middle = min(prompt + workload.generatedTokens / 2, workload.contextTokens)
    middlePosition = middle
    var sums = Sums()
    for layer in architecture.layers { sums.add(layer, hidden: architecture.hiddenSize, prompt: prompt, at: middle) }
    cacheBytesRead = sums.cached * workload.keyValueFormat.bitsPerElement / 8
    attentionOperations = sums.decodeOperations
    promptAttentionOperations = sums.promptOperations
    stateBytes = Double(architecture.stateElements) * 4 * 2
    activations = sums.activations
    headWidth = sums.headWidth
    headsPerKeyHead = sums.headsPerKeyHead
  }

  /// Keys and values of a mean layer over so many positions.
  func cachedBytesOfLayer(positions: Double) -> Double {
    cacheBytesRead / Double(max(1, layers)) * positions / Double(max(1, middlePosition))
  }

  /// The share of the routed experts' weights that a pass over `tokens` tokens reads.
  ///
  /// - Source: `E·(1 − (1 − k/E)^tokens)` distinct experts, routing taken as uniform; the only form that gives a flat
  ///   bandwidth on measured serving data.
  package func expertShare(tokens: Int) -> Double {
    let visited = Double(activeExperts) / Double(experts)
    guard experts > 1 else { return 1 }
    return 1 - power(1 - visited, tokens)
  }

  private func power(_ base: Double, _ exponent: Int) -> Double {
    var result = 1.0
    var factor = base
    var rest = exponent
    while rest > 0 {
      if rest & 1 == 1 { result *= factor }
      factor *= factor
      rest >>= 1
    }
    return result
  }

  /// Sums over the layers.
  private struct Sums {
    var cached = 0.0
    var decodeOperations = 0.0
    var promptOperations = 0.0
    var activations = ActivationWork()
    var headWidth = 1
    var headsPerKeyHead = 1

    mutating func add(_ layer: LayerDescription, hidden: Int, prompt: Int, at position: Int) {
      for mixer in layer.mixers {
        if let cache = mixer.cache {
          cached += Double(cache.positions(tokens: position) * (cache.keyElements + cache.valueElements))
        }
        addAttention(mixer, prompt: prompt, at: position)
      }
      // Norm in and out twice, two sums of three, and the feed-forward's gate, up and product.
      let width = layer.feedForward.map { $0.width + $0.activeExperts * $0.expertWidth + $0.sharedExpertWidth } ?? 0
      activations.norms += 4 * Double(4 * hidden)
      activations.sums += 4 * Double(6 * hidden)
      activations.activation += 4 * Double(3 * width)
    }

    private mutating func addAttention(_ mixer: Mixer, prompt: Int, at position: Int) {
      let (heads, widths, window): (Int, Int, Int?)
      switch mixer {
      case .attention(let shape):
        (heads, widths, window) = (shape.heads, shape.keyWidth + shape.valueWidth, shape.window)
        headWidth = max(headWidth, shape.keyWidth)
        headsPerKeyHead = max(headsPerKeyHead, shape.heads / max(1, shape.keyValueHeads))
        activations.rotation += 4 * 2 * Double(shape.heads * shape.keyWidth + shape.keyValueHeads * shape.keyWidth)
      case .latentAttention(let shape):
        (heads, widths, window) = (shape.heads, 2 * shape.keyValueRank + shape.ropeWidth, shape.window)
        headWidth = max(headWidth, shape.keyValueRank)
        headsPerKeyHead = max(headsPerKeyHead, shape.heads)
      case .recurrent(let state):
        decodeOperations += 2 * Double(state.multiplyAddsPerToken)
        promptOperations += 2 * Double(state.multiplyAddsPerToken) * Double(prompt)
        return
      }
      let perPair = 2 * Double(heads * widths)
      decodeOperations += perPair * Double(min(position, window ?? position))
      promptOperations += perPair * Self.pairs(prompt, window: window)
    }

    /// Pairs of a position and one that it sees: Σ min(i, window) for i in 1...n.
    private static func pairs(_ tokens: Int, window: Int?) -> Double {
      let full = Double(min(tokens, window ?? tokens))
      return full * (full + 1) / 2 + (Double(tokens) - full) * full
    }
  }
}

/// Bytes of activations that a token's pass reads or writes outside of products and attention.
package struct ActivationWork: Sendable, Equatable {
  package var norms = 0.0
  package var rotation = 0.0
  package var activation = 0.0
  /// Of the layers' parts to the hidden state.
  package var sums = 0.0
  package var total: Double { norms + rotation + activation + sums }
}
