// SPDX-License-Identifier: Apache-2.0
internal import JSONText

extension Recipe {
  private static let gemma3n = Recipe().with {
    $0.placement = .sandwich
    $0.queryKeyNorm = .perHead
    $0.isTiedByDefault = true
    $0.mixers = { (planner, _, index) throws(ConfigurationError) in [try planner.sharingAttention(index)] }
    $0.outside = { (config, sizes) throws(ConfigurationError) in
      try PerLayerEmbeddings(config).outside(sizes) + Altup(config).outside(sizes)
    }
    $0.extras = { (context) throws(ConfigurationError) in
      try PerLayerEmbeddings(context.config).inside(context.hiddenSize)
        + Altup(context.config).inside(context.hiddenSize)
    }
  }
  private static let gemma4 = gemma3n.with {
    $0.outside = { (config, sizes) throws(ConfigurationError) in try PerLayerEmbeddings(config).outside(sizes) }
    $0.extras = { (context) throws(ConfigurationError) in
      try PerLayerEmbeddings(context.config).inside(context.hiddenSize)
        + [ExtraTensor(role: .layerScalar, columns: 1)]
    }
    $0.feedForwards = { (planner, index) throws(ConfigurationError) in try planner.gemma4FeedForward(index) }
  }

  /// Gemma 3n and 4: caches shared between layers, embeddings per layer.
  static let gemmas: [String: Recipe] = [
    "gemma3n_text": gemma3n, "gemma4_text": gemma4, "gemma4_unified_text": gemma4,
  ]
}

extension TransformerPlanner {
  /// Attention of Gemma 3n and 4: the last layers read earlier caches; global layers may have other heads, and keys
  /// that serve as values.
  func sharingAttention(_ index: Int) throws(ConfigurationError) -> AttentionBlock {
    var block = attentionBlock(index)
    if try isSharing(index) {
      block.shape.hasOwnCache = false
      block.hasKeyValueWeights = false
    }
    guard block.shape.window == nil else { return block }
    if let width = try config.countIfAny("global_head_dim") {
      block.shape.keyWidth = width
      block.shape.valueWidth = width
    }
    if let heads = try config.countIfAny("num_global_key_value_heads") { block.shape.keyValueHeads = heads }
    block.hasValueProjection = try config.flag("attention_k_eq_v") != true
    return block
  }

  private func isSharing(_ index: Int) throws(ConfigurationError) -> Bool {
    let shared = try config.integer(["num_kv_shared_layers"], in: 0...ConfigurationReader.Limit.layers) ?? 0
    return index >= sizes.layerCount - shared
  }

  /// Gemma 4: a dense part, twice as wide in sharing layers where the file says so, beside experts with norms and
  /// scales of their own.
  func gemma4FeedForward(_ index: Int) throws(ConfigurationError) -> [any LayerBlock] {
    guard var dense = feedForward else { throw config.missing(["intermediate_size"]) }
    if try config.flag("use_double_wide_mlp") == true, try isSharing(index) { dense.width *= 2 }
    guard let experts, experts.contains(index) else { return [dense] }
    let hidden = sizes.hiddenSize
    let norm = NormBlock(role: .feedForwardOther, width: hidden, style: .weight)
    return [
      dense, try Self.expertsBlock(experts, config, recipe, hiddenSize: hidden), norm, norm, norm,
      ExtraTensor(role: .feedForwardOther, columns: hidden),
      ExtraTensor(role: .feedForwardOther, columns: experts.experts),
    ]
  }
}

/// A second embedding table with a slice for every layer (Gemma 3n and 4).
private struct PerLayerEmbeddings {
  let width: Int?
  let vocabularySize: Int?

  init(_ config: ConfigurationReader) throws(ConfigurationError) {
    width = try config.countIfAny("hidden_size_per_layer_input")
    vocabularySize = try config.widthIfAny("vocab_size_per_layer_input")
  }

  func outside(_ sizes: CommonSizes) -> [any LayerBlock] {
    guard let width else { return [] }
    let all = sizes.layerCount * width
    return [
      MatrixBlock(.perLayerEmbedding, vocabularySize ?? sizes.vocabularySize, all),
      MatrixBlock(.perLayerProjection, all, sizes.hiddenSize),
      ExtraTensor(role: .perLayerProjectionNorm, columns: width),
    ]
  }

  func inside(_ hiddenSize: Int) -> [any LayerBlock] {
    guard let width else { return [] }
    return [
      MatrixBlock(.perLayerGate, width, hiddenSize), MatrixBlock(.perLayerOutput, hiddenSize, width),
      ExtraTensor(role: .perLayerPostNorm, columns: hiddenSize),
    ]
  }
}

/// Parallel streams (AltUp, arXiv 2301.13310) and a low-rank residual (LAuReL, arXiv 2411.07501) of Gemma 3n.
private struct Altup {
  let streams: Int
  let rank: Int

  init(_ config: ConfigurationReader) throws(ConfigurationError) {
    streams = try config.integer(["altup_num_inputs"], in: 1...64) ?? 4
    rank = try config.countIfAny("laurel_rank") ?? 64
  }

  func outside(_ sizes: CommonSizes) -> [any LayerBlock] {
    let hidden = sizes.hiddenSize
    return [
      MatrixBlock(.altupProjection, hidden, hidden, copies: streams - 1),
      MatrixBlock(.altupUnembedding, hidden, hidden, copies: streams - 1),
    ]
  }

  func inside(_ hidden: Int) -> [any LayerBlock] {
    [
      MatrixBlock(.altupCorrection, streams, streams), MatrixBlock(.altupPrediction, streams * streams, streams),
      MatrixBlock(.altupRouter, streams, hidden), ExtraTensor(role: .altupRouterNorm, columns: hidden),
      ExtraTensor(role: .altupCorrectionScale, columns: hidden),
      MatrixBlock(.laurelLeft, rank, hidden), MatrixBlock(.laurelRight, hidden, rank),
      ExtraTensor(role: .laurelNorm, columns: hidden),
    ]
  }
}
