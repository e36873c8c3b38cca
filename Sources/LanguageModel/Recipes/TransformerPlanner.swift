// SPDX-License-Identifier: Apache-2.0
internal import JSONText

/// The sizes that every transformer configuration has, under whichever of their usual names.
struct CommonSizes {
  var hiddenSize: Int
  var layerCount: Int
  var vocabularySize: Int
  var contextLength: Int?

  init(_ config: ConfigurationReader) throws(ConfigurationError) {
    hiddenSize = try config.width("hidden_size", "n_embd", "d_model", "model_dim")
    let layerKeys = ["num_hidden_layers", "n_layer", "num_layers", "n_layers", "num_transformer_layers"]
    let layers = try config.integer(layerKeys, in: 1...ConfigurationReader.Limit.layers)
    layerCount =
      if let layers { layers } else if let derived = try Self.layersOfPattern(config) { derived } else {
        throw config.missing(layerKeys)
      }
    vocabularySize = try config.width("padded_vocab_size", "vocab_size")
    contextLength = try config.integer(
      [
        "model_max_length", "max_position_embeddings", "n_positions", "n_ctx", "seq_length", "max_seq_len",
        "max_context_length", "max_sequence_length",
      ], in: 0...ConfigurationReader.Limit.context)
  }

  /// Some hybrids give only the list of their layers.
  private static func layersOfPattern(_ config: ConfigurationReader) throws(ConfigurationError) -> Int? {
    for key in ["layers_block_type", "layer_types"] {
      if let list = config.listIfAny(key), (1...ConfigurationReader.Limit.layers).contains(list.count) {
        return list.count
      }
    }
    guard let pattern = try config.word("hybrid_override_pattern") else { return nil }
    return (1...ConfigurationReader.Limit.layers).contains(pattern.utf8.count) ? pattern.utf8.count : nil
  }
}

/// Draws a transformer whose layers are alike up to windows and experts.
struct TransformerPlanner {
  let config: ConfigurationReader
  let recipe: Recipe
  let sizes: CommonSizes
  let attention: AttentionBlock
  let windows: LayerWindows
  let experts: ExpertPattern?
  let feedForward: FeedForwardBlock?
  /// Parts that are alike in all layers, drawn once: a catalogue has 25,000 layers.
  private let norms: [any LayerBlock]
  private let expertsBlock: ExpertsBlock?
  private let widths: [Int]
  /// Every so many layers one is not rotated (SmolLM3); nil rotates all.
  private let unrotatedPeriod: Int?

  init(_ config: ConfigurationReader, _ recipe: Recipe) throws(ConfigurationError) {
    self.config = config
    self.recipe = recipe
    sizes = try CommonSizes(config)
    attention = try Self.attention(config, recipe, hiddenSize: sizes.hiddenSize)
    windows = try LayerWindows(config, recipe: recipe, layerCount: sizes.layerCount)
    let width = try Self.feedForwardWidth(config, recipe, hiddenSize: sizes.hiddenSize)
    experts = try ExpertPattern(config, recipe: recipe, layerCount: sizes.layerCount, denseWidth: width)
    let denseWidth = try config.widthIfAny("intermediate_size_mlp", "dense_intermediate_size") ?? width
    if experts == nil, denseWidth == nil { throw config.missing(["intermediate_size", "ffn_hidden_size", "n_inner"]) }
    let hiddenSize = sizes.hiddenSize
    feedForward = try denseWidth.mapThrowing { (width) throws(ConfigurationError) in
      try Self.feedForward(config, recipe, hiddenSize: hiddenSize, width: width)
    }
    norms = recipe.norms(hiddenSize: hiddenSize)
    unrotatedPeriod = try config.integer(["no_rope_layer_interval"], in: 1...ConfigurationReader.Limit.layers)
    expertsBlock = try experts.mapThrowing { (pattern) throws(ConfigurationError) in
      try Self.expertsBlock(pattern, config, recipe, hiddenSize: hiddenSize)
    }
    widths = try (config.listIfAny("intermediate_size") ?? []).mapThrowing { (width) throws(ConfigurationError) in
      try config.checked(width, key: "intermediate_size", in: 1...ConfigurationReader.Limit.width)
    }
  }

  func plan() throws(ConfigurationError) -> ModelPlan {
    var plan = try Embeddings.plan(config, recipe, sizes)
    plan.outside += try recipe.outside(config, sizes)
    plan.outside += ropeTables(plan.forward)
    let kinds = try LayerKind.kinds(config, layerCount: sizes.layerCount)
    plan.layers = try kinds.enumerated().mapThrowing { (item) throws(ConfigurationError) in
      try layer(item.offset, kind: item.element)
    }
    return plan
  }

  /// The rotary tables that a GGUF file of the model carries: constants, so they add bytes but no parameters.
  private func ropeTables(_ forward: ForwardRules) -> [any LayerBlock] {
    let pairs = (forward.rope.width ?? attention.shape.keyWidth) / 2
    return switch forward.rope.scaling {
    case .llama3: [ExtraTensor(role: .ropeFactors, columns: pairs)]
    case .longRope:
      [ExtraTensor(role: .ropeFactorsLong, columns: pairs), ExtraTensor(role: .ropeFactorsShort, columns: pairs)]
    case .none, .linear, .yarn: []
    }
  }

  /// The attention of one layer, with its window.
  func attentionBlock(_ index: Int) -> AttentionBlock {
    var block = attention
    block.shape.window = windows[index]
    block.shape.isRotated = isRotated(index)
    return block
  }

  /// False for layers without rotation: learnt positions, or a list or period of such layers (SmolLM3).
  private func isRotated(_ index: Int) -> Bool {
    if case .learnt = recipe.positions { return false }
    if recipe.rotatesOnlyWindows { return windows[index] != nil }
    if let marks = config.listIfAny("no_rope_layers"), index < marks.count { return marks[index].intValue != 0 }
    return unrotatedPeriod.map { (index + 1) % $0 != 0 } ?? true
  }

  /// The norms, mixers and feed-forward part of one layer.
  private func layer(_ index: Int, kind: LayerKind) throws(ConfigurationError) -> [any LayerBlock] {
    let isExpertLayer = experts?.contains(index) ?? false
    let context = LayerContext(
      config: config, index: index, hiddenSize: sizes.hiddenSize, layerCount: sizes.layerCount,
      isExpertLayer: isExpertLayer)
    var blocks = norms
    blocks += try recipe.mixers(self, kind, index)
    blocks += try recipe.feedForwards(self, index)
    blocks += try recipe.extras(context)
    return blocks
  }

  /// The feed-forward part of one layer: experts or dense.
  func feedForwardBlocks(_ index: Int) throws(ConfigurationError) -> [any LayerBlock] {
    if let experts, let expertsBlock, experts.contains(index) { return [expertsBlock] }
    guard var block = feedForward else { throw config.missing(["intermediate_size"]) }
    if index < widths.count { block.width = widths[index] }
    return [block]
  }
}

extension TransformerPlanner {
  static func expertsBlock(
    _ pattern: ExpertPattern, _ config: ConfigurationReader, _ recipe: Recipe, hiddenSize: Int
  ) throws(ConfigurationError) -> ExpertsBlock {
    var block = ExpertsBlock(
      hiddenSize: hiddenSize, experts: pattern.experts, activeExperts: pattern.activeExperts,
      expertWidth: pattern.expertWidth)
    block.isGated = recipe.isGated
    block.sharedWidth = pattern.sharedWidth
    block.hasSharedGate = recipe.hasSharedGate
    block.hasRouterBias = try recipe.routerBias.value(in: config)
    block.hasRouterCorrection = try recipe.routerCorrection.value(in: config)
    block.hasExpertBias = try recipe.expertBias.value(in: config)
    block.latentWidth = try config.widthIfAny("moe_latent_size", "routed_expert_hidden_size")
    block.hasLatentNorm = try config.flag("latent_moe_use_norm") ?? false
    return block
  }

  static func attention(
    _ config: ConfigurationReader, _ recipe: Recipe, hiddenSize: Int
  ) throws(ConfigurationError) -> AttentionBlock {
    let heads = try config.count("num_attention_heads", "n_head", "num_heads", "n_heads", "num_query_heads")
    let width =
      try config.countIfAny("head_dim", "kv_channels", "attention_head_dim") ?? max(1, hiddenSize / heads)
    let valueWidth = try config.countIfAny("v_head_dim") ?? width
    let shape = Attention(
      heads: heads, keyValueHeads: try keyValueHeads(config, heads: heads), keyWidth: width, valueWidth: valueWidth)
    var block = AttentionBlock(hiddenSize: hiddenSize, shape: shape)
    block.hasFusedProjection = recipe.fusesQueryKeyValue
    block.hasInputBias = try recipe.inputBias.value(in: config)
    block.hasOutputBias = try recipe.outputBias.value(in: config)
    block.queryKeyNorm = try recipe.queryKeyNormRule.value(in: config) ? recipe.queryKeyNorm : .none
    block.gate = recipe.gate
    block.hasSinks = recipe.hasSinks
    block.hasSubNorm = recipe.hasSubNorms
    return block
  }

  private static func keyValueHeads(_ config: ConfigurationReader, heads: Int) throws(ConfigurationError) -> Int {
    if let count = try config.part("attn_config")?.countIfAny("kv_n_heads") { return count }
    // Falcon's first generation and StarCoder state a number of key-value heads that their switch overrules.
    let isNew = try config.flag("new_decoder_architecture") ?? false
    if try config.flag("multi_query") == true, !isNew { return 1 }
    return try config.countIfAny("num_key_value_heads", "num_kv_heads", "multi_query_group_num", "n_head_kv") ?? heads
  }

  static func feedForwardWidth(
    _ config: ConfigurationReader, _ recipe: Recipe, hiddenSize: Int
  ) throws(ConfigurationError) -> Int? {
    let source = config.part("ffn_config") ?? config
    if let widths = source.listIfAny("intermediate_size"), let first = widths.first {
      return try source.checked(first, key: "intermediate_size", in: 1...ConfigurationReader.Limit.width)
    }
    let own = try source.widthIfAny(
      "intermediate_size", "ffn_hidden_size", "n_inner", "ffn_dim", "ff_intermediate_size", "block_ff_dim")
    if let own, recipe.adjustsWidth { return try adjusted(own, config) }
    if let own { return recipe.halvesWidth ? own / 2 : own }
    let factor = try config.integer(["expansion_ratio"], in: 1...64) ?? recipe.widthFactor
    return factor.map { $0 * hiddenSize }
  }

  /// LFM2's rule: two thirds of the width, scaled, rounded up to a multiple.
  private static func adjusted(_ width: Int, _ config: ConfigurationReader) throws(ConfigurationError) -> Int {
    guard try config.flag("block_auto_adjust_ff_dim") ?? true else { return width }
    let multiplier = try config.number("block_ffn_dim_multiplier") ?? 1
    guard (0.001...64).contains(multiplier) else {
      throw config.wrongType("block_ffn_dim_multiplier", .number(multiplier), expected: "a number from 0.001 to 64")
    }
    let multiple = try config.integer(["block_multiple_of"], in: 1...65536) ?? 256
    let scaled = Int(multiplier * Double(2 * width / 3))
    return max(1, (scaled + multiple - 1) / multiple) * multiple
  }

  static func feedForward(
    _ config: ConfigurationReader, _ recipe: Recipe, hiddenSize: Int, width: Int
  ) throws(ConfigurationError) -> FeedForwardBlock {
    var block = FeedForwardBlock(hiddenSize: hiddenSize, width: width)
    block.isGated = recipe.isGated
    block.hasFusedGate = recipe.fusesGate
    block.hasBias = try recipe.feedForwardBias.value(in: config)
    block.hasSubNorm = recipe.hasSubNorms
    return block
  }
}

extension Optional where Wrapped: Sendable {
  func mapThrowing<Result, Failure: Error>(
    _ transform: (Wrapped) throws(Failure) -> Result
  ) throws(Failure) -> Result? {
    guard let self else { return nil }
    return try transform(self)
  }
}
