// SPDX-License-Identifier: Apache-2.0

/// The shapes of a decoder-only language model, as far as sizing and running it need them.
///
/// Words follow Hugging Face's `config.json` where it has one.
package struct ModelArchitecture: Sendable, Equatable {
  /// Hugging Face's `model_type`: llama, qwen2, gemma3_text ...
  package var modelType: String
  package var vocabularySize: Int
  package var hiddenSize: Int
  /// `max_position_embeddings`; nil when the source does not say.
  package var contextLength: Int?
  package var layers: [LayerDescription]
  /// The output head reads the embedding table instead of a matrix of its own.
  package var hasTiedEmbeddings: Bool
  package var forward: ForwardRules

  package init(
    modelType: String, vocabularySize: Int, hiddenSize: Int, contextLength: Int?, layers: [LayerDescription],
    hasTiedEmbeddings: Bool, forward: ForwardRules = ForwardRules()
  ) {
    self.modelType = modelType
    self.vocabularySize = vocabularySize
    self.hiddenSize = hiddenSize
    self.contextLength = contextLength
    self.layers = layers
    self.hasTiedEmbeddings = hasTiedEmbeddings
    self.forward = forward
  }
}

/// One layer: what mixes positions and what transforms each of them.
package struct LayerDescription: Sendable, Equatable {
  /// Usually one; a parallel hybrid layer (Falcon-H1) has two; an attention-free block may have none.
  package var mixers: [Mixer]
  package var feedForward: FeedForward?

  package init(mixers: [Mixer], feedForward: FeedForward?) {
    self.mixers = mixers
    self.feedForward = feedForward
  }
}

/// What mixes information between positions, and so what a sequence must remember.
package enum Mixer: Sendable, Equatable {
  case attention(Attention)
  case latentAttention(LatentAttention)
  case recurrent(RecurrentState)
}

/// Multi-head, grouped-query or multi-query attention.
package struct Attention: Sendable, Equatable {
  package var heads: Int
  package var keyValueHeads: Int
  /// `head_dim`: not always hiddenSize / heads.
  package var keyWidth: Int
  package var valueWidth: Int
  /// The sliding window in tokens; nil attends to the whole context.
  package var window: Int?
  /// False for a layer that reads another layer's keys and values instead of keeping its own.
  package var hasOwnCache: Bool
  /// Elements per position that an indexer for sparse attention caches besides; 0 for none.
  package var indexWidth: Int
  /// False for a layer whose queries and keys keep no position of their own (NoPE), or get it from a learnt table.
  package var isRotated: Bool

  package init(
    heads: Int, keyValueHeads: Int, keyWidth: Int, valueWidth: Int, window: Int? = nil, hasOwnCache: Bool = true,
    indexWidth: Int = 0, isRotated: Bool = true
  ) {
    self.indexWidth = indexWidth
    self.isRotated = isRotated
    self.heads = heads
    self.keyValueHeads = keyValueHeads
    self.keyWidth = keyWidth
    self.valueWidth = valueWidth
    self.window = window
    self.hasOwnCache = hasOwnCache
  }
}

/// Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434): the cache holds one compressed vector per position.
package struct LatentAttention: Sendable, Equatable {
  package var heads: Int
  package var keyValueRank: Int
  package var ropeWidth: Int
  package var plainWidth: Int
  package var valueWidth: Int
  /// The sliding window in tokens; nil keeps the whole context.
  package var window: Int?
  /// Tokens that share one cached vector (DeepSeek-V4's compressed attention); 1 for one vector each.
  package var stride: Int
  /// Elements per cached vector that an indexer for sparse attention caches besides; 0 for none.
  package var indexWidth: Int
  /// Rank of the compressed query; nil projects directly.
  package var queryRank: Int?

  package init(
    heads: Int, keyValueRank: Int, ropeWidth: Int, plainWidth: Int, valueWidth: Int, window: Int? = nil,
    stride: Int = 1, indexWidth: Int = 0, queryRank: Int? = nil
  ) {
    self.queryRank = queryRank
    self.window = window
    self.stride = stride
    self.indexWidth = indexWidth
    self.heads = heads
    self.keyValueRank = keyValueRank
    self.ropeWidth = ropeWidth
    self.plainWidth = plainWidth
    self.valueWidth = valueWidth
  }
}

/// A mixer whose memory does not grow with the context: state-space, linear attention, RG-LRU, short convolution.
package struct RecurrentState: Sendable, Equatable {
  /// Elements of the recurrent state per sequence, kept in 32 bits.
  package var stateElements: Int
  /// Elements of the convolution window per sequence, kept in 32 bits.
  package var convolutionElements: Int
  /// Multiply-adds per token beyond the weight matrices.
  package var multiplyAddsPerToken: Int

  package init(stateElements: Int, convolutionElements: Int, multiplyAddsPerToken: Int) {
    self.stateElements = stateElements
    self.convolutionElements = convolutionElements
    self.multiplyAddsPerToken = multiplyAddsPerToken
  }
}

/// The feed-forward part: dense, or routed experts with optional shared ones.
package struct FeedForward: Sendable, Equatable {
  /// The width of the dense matrices; 0 when the layer has only experts.
  package var width: Int
  package var isGated: Bool
  package var experts: Int
  package var activeExperts: Int
  package var expertWidth: Int
  package var sharedExpertWidth: Int

  package init(
    width: Int, isGated: Bool = true, experts: Int = 0, activeExperts: Int = 0, expertWidth: Int = 0,
    sharedExpertWidth: Int = 0
  ) {
    self.width = width
    self.isGated = isGated
    self.experts = experts
    self.activeExperts = activeExperts
    self.expertWidth = expertWidth
    self.sharedExpertWidth = sharedExpertWidth
  }
}
