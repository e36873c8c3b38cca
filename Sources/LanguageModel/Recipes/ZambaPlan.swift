// SPDX-License-Identifier: Apache-2.0
internal import JSONText

/// Zamba: Mamba layers, some of which call one shared transformer block on the concatenation of the residual and the
/// embeddings. The block's weights exist once (or `num_mem_blocks` times); each call has a cache of its own.
struct ZambaPlan {
  let config: ConfigurationReader
  let recipe: Recipe
  let sizes: CommonSizes
  let isSecondGeneration: Bool
  let width: Int

  init(_ config: ConfigurationReader, _ recipe: Recipe) throws(ConfigurationError) {
    self.config = config
    self.recipe = recipe
    sizes = try CommonSizes(config)
    isSecondGeneration = config.modelType == "zamba2"
    width = try config.width("intermediate_size")
  }

  func plan() throws(ConfigurationError) -> ModelPlan {
    var plan = try Embeddings.plan(config, recipe, sizes)
    let copies = try config.integer(["num_mem_blocks"], in: 1...64) ?? 1
    let mamba: any LayerBlock =
      if isSecondGeneration {
        try StateSpaceDualityBlock(config, hiddenSize: sizes.hiddenSize)
      } else {
        try SelectiveStateBlock(config, hiddenSize: sizes.hiddenSize)
      }
    var calls = 0
    for isHybrid in try hybridLayers() {
      var blocks: [any LayerBlock] = [norm(.attentionNorm, sizes.hiddenSize), mamba]
      if isHybrid {
        blocks += try call(isFirst: calls < copies)
        calls += 1
      }
      plan.layers.append(blocks)
    }
    return plan
  }

  private func norm(_ role: TensorRole, _ width: Int) -> NormBlock {
    NormBlock(role: role, width: width, style: .weight)
  }

  private func hybridLayers() throws(ConfigurationError) -> [Bool] {
    if config.has("layers_block_type") {
      return try LayerKind.kinds(config, layerCount: sizes.layerCount).map { $0 == .hybrid }
    }
    if let list = config.listIfAny("hybrid_layer_ids") {
      let hybrids = Set(list.compactMap(\.intValue))
      return (0..<sizes.layerCount).map { hybrids.contains($0) }
    }
    // The first generation counts its period from the third layer, which is always a hybrid.
    let period = try config.integer(["attn_layer_period"], in: 1...ConfigurationReader.Limit.layers) ?? 6
    let offset = try config.integer(["attn_layer_offset"], in: 0...ConfigurationReader.Limit.layers) ?? 4
    return (0..<sizes.layerCount).map { $0 == 2 || $0 > 2 && ($0 - 3) % period == offset }
  }

  /// One call of the shared block: its own projection and adapters, and the shared weights at the first call.
  private func call(isFirst: Bool) throws(ConfigurationError) -> [any LayerBlock] {
    let hidden = sizes.hiddenSize
    var attention = try TransformerPlanner.attention(config, recipe, hiddenSize: hidden)
    let headWidth = try config.countIfAny("attention_head_dim") ?? max(1, 2 * hidden / attention.shape.heads)
    attention.shape.keyWidth = headWidth
    attention.shape.valueWidth = headWidth
    attention.inputSize = 2 * hidden
    var blocks: [any LayerBlock] = [MatrixBlock(.recurrentOther, hidden, hidden)]
    blocks += try adapters(queryWidth: attention.shape.heads * attention.shape.keyWidth)
    let feedForward = FeedForwardBlock(hiddenSize: hidden, width: width)
    guard isFirst else { return blocks + [SharedBlock(part: attention), SharedBlock(part: feedForward)] }
    return blocks + [norm(.attentionNorm2, 2 * hidden), norm(.feedForwardNorm, hidden), attention, feedForward]
  }

  private func adapters(queryWidth: Int) throws(ConfigurationError) -> [any LayerBlock] {
    guard isSecondGeneration else { return [] }
    let rank = try config.count("adapter_rank")
    let hidden = sizes.hiddenSize
    var blocks: [any LayerBlock] = [
      MatrixBlock(.feedForwardOther, rank, hidden), MatrixBlock(.feedForwardOther, 2 * width, rank),
    ]
    guard try config.flag("use_shared_attention_adapter") ?? false else { return blocks }
    for _ in 0..<3 {
      blocks.append(MatrixBlock(.attentionOther, rank, 2 * hidden))
      blocks.append(MatrixBlock(.attentionOther, queryWidth, rank))
    }
    return blocks
  }
}

/// A part whose weights stand in an earlier layer: it has shapes and a cache here, but no tensors.
struct SharedBlock: LayerBlock {
  var part: any LayerBlock

  func add(to layer: inout LayerDescription, tensors: inout TensorList, at index: Int) {
    var unused = TensorList(matrixFormat: .f16)
    part.add(to: &layer, tensors: &unused, at: index)
  }
}
