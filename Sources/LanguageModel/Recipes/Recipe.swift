// SPDX-License-Identifier: Apache-2.0
internal import JSONText

/// What a model type does differently from a llama-like transformer.
///
/// Sizes always come from the configuration; a recipe holds only what the model type's code fixes: which norms,
/// biases and gates exist, and which keys switch them.
struct Recipe: Sendable {
  /// Where the norms of a layer stand.
  enum NormPlacement: Sendable {
    /// Before attention and before feed-forward (llama).
    case before
    /// After each, inside the residual (OLMo 2).
    case after
    /// Before and after each (Gemma 2).
    case sandwich
    /// One norm feeds attention and feed-forward in parallel (GPT-J, Cohere).
    case one
    /// Attention and feed-forward in parallel with a norm each (Falcon 40B).
    case twoInParallel
  }

  enum Positions: Sendable {
    case none
    /// A learnt table, with this many rows beyond the context length.
    case learnt(extraRows: Int)
  }

  /// Values of keys that files may leave to the model type.
  var defaults: [String: JSON] = [:]
  var norm = NormStyle.weight
  var placement = NormPlacement.before
  var queryKeyNorm = AttentionBlock.QueryKeyNorm.none
  /// Whether `queryKeyNorm` applies.
  var queryKeyNormRule = FlagRule.always
  var fusesQueryKeyValue = false
  var inputBias = FlagRule.keys(["attention_bias", "qkv_bias"], otherwise: false)
  var outputBias = FlagRule.keys(["attention_bias"], otherwise: false)
  var feedForwardBias = FlagRule.keys(["mlp_bias"], otherwise: false)
  var isGated = true
  var fusesGate = false
  var gate = AttentionBlock.OutputGate.none
  var hasSinks = false
  var hasSubNorms = false
  var hasValueProjection = true
  /// The feed-forward width when no key gives it, in hidden sizes.
  var widthFactor: Int?
  /// The width key counts gate and up together (Qwen's first generation).
  var halvesWidth = false
  /// The width follows from the key by LFM2's rule.
  var adjustsWidth = false
  var positions = Positions.none
  var embeddingNorm: NormStyle?
  /// Rows of the embedding table beyond the vocabulary.
  var extraTokenRows = 0
  var hasFinalNorm = FlagRule.always
  var headBias = FlagRule.never
  var isTiedByDefault = false
  /// Sliding windows count only when the file switches them on (Qwen 2 and 3).
  var windowNeedsSwitch = false
  /// Every n-th layer attends to everything, when the file has a window but no pattern.
  var windowPattern: Int?

  /// Layers that see the whole context are not rotated (Command R7B).
  var rotatesOnlyWindows = false

  // Mixture of experts.
  var routerBias = FlagRule.never
  var routerCorrection = FlagRule.never
  var expertBias = FlagRule.never
  var hasSharedGate = false
  var sharedExpertsByDefault = 0
  /// How a layer mixes positions; the kind is `.attention` unless the configuration lists kinds of layers.
  var mixers: @Sendable (TransformerPlanner, LayerKind, Int) throws(ConfigurationError) -> [any LayerBlock] = {
    (planner, _, index) throws(ConfigurationError) in [planner.attentionBlock(index)]
  }
  /// The feed-forward part of a layer.
  var feedForwards: @Sendable (TransformerPlanner, Int) throws(ConfigurationError) -> [any LayerBlock] = {
    (planner, index) throws(ConfigurationError) in try planner.feedForwardBlocks(index)
  }
  /// Parts outside the layers that only this model type has.
  var outside: @Sendable (ConfigurationReader, CommonSizes) throws(ConfigurationError) -> [any LayerBlock] = {
    (_, _) throws(ConfigurationError) in []
  }
  /// Parts of each layer that only this model type has.
  var extras: @Sendable (LayerContext) throws(ConfigurationError) -> [any LayerBlock] = {
    (_) throws(ConfigurationError) in []
  }
  /// Draws the plan; hybrids replace it.
  var plan: @Sendable (ConfigurationReader, Recipe) throws(ConfigurationError) -> ModelPlan = {
    (config, recipe) throws(ConfigurationError) in
    try TransformerPlanner(config, recipe).plan()
  }

  /// The norms of one layer.
  func norms(hiddenSize: Int) -> [any LayerBlock] {
    let roles: [TensorRole] =
      switch placement {
      case .before: [.attentionNorm, .feedForwardNorm]
      case .after: [.attentionPostNorm, .feedForwardPostNorm]
      case .sandwich: [.attentionNorm, .attentionPostNorm, .feedForwardNorm, .feedForwardPostNorm]
      case .one: [.attentionNorm]
      case .twoInParallel: [.attentionNorm, .attentionNorm2]
      }
    return roles.map { NormBlock(role: $0, width: hiddenSize, style: norm) }
  }

  /// A recipe that differs from this one as `change` says.
  func with(_ change: (inout Recipe) -> Void) -> Recipe {
    var copy = self
    change(&copy)
    return copy
  }
}

/// What a recipe's extra parts may depend on.
struct LayerContext: Sendable {
  var config: ConfigurationReader
  var index: Int
  var hiddenSize: Int
  var layerCount: Int
  var isExpertLayer: Bool
}

/// A truth value that the model type fixes or that a key decides.
enum FlagRule: Sendable {
  case always
  case never
  case keys([String], otherwise: Bool)

  func value(in config: ConfigurationReader) throws(ConfigurationError) -> Bool {
    switch self {
    case .always: true
    case .never: false
    case .keys(let keys, let otherwise): try config.flag(keys) ?? otherwise
    }
  }
}
