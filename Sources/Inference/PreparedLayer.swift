// SPDX-License-Identifier: Apache-2.0
internal import CostModel
internal import LanguageModel

/// A norm's learnt numbers, of as many elements as it normalises.
struct PreparedNorm: @unchecked Sendable {
  let weight: UnsafePointer<Float>
  let bias: UnsafePointer<Float>?
}

/// y = W · x + b, where the model has a bias.
///
/// W is `matrix`, or `matrix` · `inner` with an inner rank; an adapter adds `outer` · `inner` of its own.
struct PreparedLinear: @unchecked Sendable {
  let matrix: PreparedMatrix
  let bias: UnsafePointer<Float>?
  var inner: PreparedMatrix?
  var adapter: (outer: PreparedMatrix, inner: PreparedMatrix)?

  /// Whether it is one matrix and nothing else.
  var isPlain: Bool { bias == nil && inner == nil && adapter == nil }
}

/// The norm of a layer's queries or keys.
struct PreparedHeadNorm: @unchecked Sendable {
  let weight: UnsafePointer<Float>
  /// Elements that are normalised together: one head's, or all heads'.
  let width: Int
  /// Weights from one head to the next: 0 where the heads share them.
  let stride: Int
}

/// Attention with queries, keys and values of heads; a fused projection is three parts of one matrix.
struct PreparedAttention: @unchecked Sendable {
  let shape: Attention
  let query: PreparedLinear  // (h · w, d)
  let key: PreparedLinear  // (g · w, d)
  let value: PreparedLinear  // (g · w, d)
  let output: PreparedLinear  // (d, h · w)
  let queryNorm: PreparedHeadNorm?
  let keyNorm: PreparedHeadNorm?
  let sinks: UnsafePointer<Float>?  // (h)
}

/// Multi-head latent attention: keys and values are made of one cached vector per position.
struct PreparedLatentAttention: @unchecked Sendable {
  let shape: LatentAttention
  let queryDown: PreparedMatrix?  // (q, d); nil projects directly
  let queryNorm: PreparedNorm?
  let query: PreparedMatrix  // (h · (p + w), q or d)
  let keyValueDown: PreparedMatrix  // (r + w, d)
  let keyValueNorm: PreparedNorm
  let keyUp: [PreparedMatrix]  // of each head (r, p): absorbed into the query
  let valueUp: [PreparedMatrix]  // of each head (v, r)
  let output: PreparedLinear  // (d, h · v)
}

enum PreparedMixer: @unchecked Sendable {
  case attention(PreparedAttention)
  case latent(PreparedLatentAttention)
}

/// One dense feed-forward network, gated or not: the whole part, a shared expert or a routed one.
struct PreparedNetwork: @unchecked Sendable {
  let gate: PreparedLinear?  // (f, d)
  let up: PreparedLinear  // (f, d)
  let down: PreparedLinear  // (d, f)

  /// Whether each is one matrix and nothing else.
  var isPlain: Bool { (gate?.isPlain ?? true) && up.isPlain && down.isPlain }
}

/// Routed experts and the shared one that every token visits.
struct PreparedExperts: @unchecked Sendable {
  let active: Int
  let router: PreparedLinear  // (E, d)
  let correction: UnsafePointer<Float>?  // (E): steers the choice, not the weights
  let routed: [PreparedNetwork]
  let shared: PreparedNetwork?
  let sharedGate: UnsafePointer<Float>?  // (d)
}

enum PreparedFeedForward: @unchecked Sendable {
  case dense(PreparedNetwork)
  case experts(PreparedExperts)
}

/// One layer's weights, by what they do; what the model lacks is nil.
final class PreparedLayer: @unchecked Sendable {
  let attentionNorm: PreparedNorm?
  let mixer: PreparedMixer
  let attentionPostNorm: PreparedNorm?
  let feedForwardNorm: PreparedNorm?
  let feedForward: PreparedFeedForward
  let feedForwardPostNorm: PreparedNorm?

  init(
    _ layer: LayerDescription, _ index: Int, _ architecture: ModelArchitecture, _ finder: inout TensorFinder
  ) throws(LanguageRuntimeError) {
    let hidden = architecture.hiddenSize
    let first = try finder.optionalNorm(.attentionNorm, .attentionNormBias, index, count: hidden)
    let second = try finder.optionalNorm(.attentionNorm2, .attentionNorm2Bias, index, count: hidden)
    let post = try finder.optionalNorm(.attentionPostNorm, nil, index, count: hidden)
    let own = try finder.optionalNorm(.feedForwardNorm, .feedForwardNormBias, index, count: hidden)
    feedForwardPostNorm = try finder.optionalNorm(.feedForwardPostNorm, nil, index, count: hidden)
    // Post norms come in pairs; a lone one is the next part's norm (gpt-oss). With two norms in parallel the second
    // is attention's (Falcon 40B).
    let isLone = own == nil && feedForwardPostNorm == nil
    attentionNorm = second ?? first
    attentionPostNorm = isLone ? nil : post
    feedForwardNorm = own ?? (second != nil ? first : isLone ? post : nil)
    mixer = try Self.mixer(layer, index, architecture, &finder)
    feedForward = try Self.feedForward(layer, index, architecture, &finder)
  }

  private static func mixer(
    _ layer: LayerDescription, _ index: Int, _ architecture: ModelArchitecture, _ finder: inout TensorFinder
  ) throws(LanguageRuntimeError) -> PreparedMixer {
    switch layer.mixers.first {
    case .attention(let shape): .attention(try finder.attention(shape, index, hidden: architecture.hiddenSize))
    case .latentAttention(let shape):
      .latent(try finder.latentAttention(shape, index, hidden: architecture.hiddenSize))
    case .recurrent, nil: throw unknown(index, architecture)
    }
  }

  private static func feedForward(
    _ layer: LayerDescription, _ index: Int, _ architecture: ModelArchitecture, _ finder: inout TensorFinder
  ) throws(LanguageRuntimeError) -> PreparedFeedForward {
    guard let part = layer.feedForward else { throw unknown(index, architecture) }
    if part.experts > 0 { return .experts(try finder.experts(part, index, hidden: architecture.hiddenSize)) }
    return .dense(try finder.network(part, index, hidden: architecture.hiddenSize))
  }

  private static func unknown(_ index: Int, _ architecture: ModelArchitecture) -> LanguageRuntimeError {
    .unsupportedArchitecture(
      modelType: architecture.modelType, reason: "layer \(index) is not attention with a feed-forward part")
  }
}
