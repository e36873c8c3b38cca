// SPDX-License-Identifier: Apache-2.0
internal import JSONText

extension Recipe {
  /// Models whose layers differ from one another in shape.
  static let others: [String: Recipe] = [
    "openelm": Recipe().with {
      $0.queryKeyNorm = .perHead
      $0.queryKeyNormRule = .keys(["normalize_qk_projections"], otherwise: true)
      $0.fusesQueryKeyValue = true
      $0.isTiedByDefault = true
      $0.plan = { (config, recipe) throws(ConfigurationError) in try OpenELMPlan(config, recipe).plan() }
    },
    "nemotron-nas": Recipe().with {
      $0.plan = { (config, recipe) throws(ConfigurationError) in try BlockConfigurationPlan(config, recipe).plan() }
    },
    "mllama_text_model": Recipe().with {
      $0.plan = { (config, recipe) throws(ConfigurationError) in try CrossAttentionPlan.plan(config, recipe) }
    },
  ]
}

/// OpenELM (arXiv 2404.14619): heads and feed-forward widths grow with depth.
private struct OpenELMPlan {
  let config: ConfigurationReader
  let recipe: Recipe
  let sizes: CommonSizes

  init(_ config: ConfigurationReader, _ recipe: Recipe) throws(ConfigurationError) {
    self.config = config
    self.recipe = recipe
    sizes = try CommonSizes(config)
  }

  func plan() throws(ConfigurationError) -> ModelPlan {
    var plan = try Embeddings.plan(config, recipe, sizes)
    let hidden = sizes.hiddenSize
    plan.layers = try (0..<sizes.layerCount).mapThrowing { (index) throws(ConfigurationError) in
      var attention = AttentionBlock(hiddenSize: hidden, shape: try shape(index))
      attention.hasFusedProjection = recipe.fusesQueryKeyValue
      attention.queryKeyNorm = try recipe.queryKeyNormRule.value(in: config) ? recipe.queryKeyNorm : .none
      let feedForward = try TransformerPlanner.feedForward(
        config, recipe, hiddenSize: hidden, width: try width(index))
      return [
        NormBlock(role: .attentionNorm, width: hidden, style: .weight),
        NormBlock(role: .feedForwardNorm, width: hidden, style: .weight), attention, feedForward,
      ]
    }
    return plan
  }

  private func shape(_ index: Int) throws(ConfigurationError) -> Attention {
    let width = try config.count("head_dim")
    return Attention(
      heads: try item(index, of: "num_query_heads"), keyValueHeads: try item(index, of: "num_kv_heads"),
      keyWidth: width, valueWidth: width)
  }

  private func item(_ index: Int, of key: String) throws(ConfigurationError) -> Int {
    guard let list = try config.list(key, atLeast: sizes.layerCount) else { throw config.missing([key]) }
    return try config.checked(list[index], key: key, in: 1...ConfigurationReader.Limit.count)
  }

  /// The multiplier times the hidden size, rounded to the nearest multiple of the divisor, never down by a tenth.
  private func width(_ index: Int) throws(ConfigurationError) -> Int {
    let key = "ffn_multipliers"
    guard let list = try config.list(key, atLeast: sizes.layerCount) else { throw config.missing([key]) }
    guard let factor = list[index].doubleValue, (0.001...64).contains(factor) else {
      throw config.wrongType(key, list[index], expected: "numbers from 0.001 to 64")
    }
    let divisor = try config.integer(["ffn_dim_divisor"], in: 1...65536) ?? 256
    let exact = factor * Double(sizes.hiddenSize)
    let rounded = max(divisor, Int(exact + Double(divisor) / 2) / divisor * divisor)
    return Double(rounded) < 0.9 * exact ? rounded + divisor : rounded
  }
}

/// Nemotron-NAS: an architecture search left each layer its own attention and feed-forward part, or none.
private struct BlockConfigurationPlan {
  let config: ConfigurationReader
  let recipe: Recipe
  let sizes: CommonSizes

  init(_ config: ConfigurationReader, _ recipe: Recipe) throws(ConfigurationError) {
    self.config = config
    self.recipe = recipe
    sizes = try CommonSizes(config)
  }

  func plan() throws(ConfigurationError) -> ModelPlan {
    var plan = try Embeddings.plan(config, recipe, sizes)
    guard let blocks = try config.list("block_configs", atLeast: sizes.layerCount) else {
      throw config.missing(["block_configs"])
    }
    plan.layers = try (0..<sizes.layerCount).mapThrowing { (index) throws(ConfigurationError) in
      let block = try config.part(blocks[index], named: "block_configs[\(index)]")
      return try attention(block) + feedForward(block)
    }
    return plan
  }

  private func attention(_ block: ConfigurationReader) throws(ConfigurationError) -> [any LayerBlock] {
    guard let part = block.part("attention") else { throw block.missing(["attention"]) }
    if try part.flag("no_op") == true { return [] }
    let hidden = sizes.hiddenSize
    let norm = NormBlock(role: .attentionNorm, width: hidden, style: .weight)
    if try part.flag("replace_with_linear") == true { return [norm, MatrixBlock(.attentionOther, hidden, hidden)] }
    var attention = try TransformerPlanner.attention(config, recipe, hiddenSize: hidden)
    attention.shape.keyValueHeads = max(1, attention.shape.heads / (try part.count("n_heads_in_group")))
    return [norm, attention]
  }

  private func feedForward(_ block: ConfigurationReader) throws(ConfigurationError) -> [any LayerBlock] {
    guard let part = block.part("ffn") else { throw block.missing(["ffn"]) }
    if try part.flag("no_op") == true { return [] }
    let hidden = sizes.hiddenSize
    let norm = NormBlock(role: .feedForwardNorm, width: hidden, style: .weight)
    if try part.flag("replace_with_linear") == true { return [norm, MatrixBlock(.feedForwardOther, hidden, hidden)] }
    guard let factor = try part.number("ffn_mult") else { throw part.missing(["ffn_mult"]) }
    guard (0.001...64).contains(factor) else {
      throw part.wrongType("ffn_mult", .number(factor), expected: "a number from 0.001 to 64")
    }
    // Two thirds of the multiple, rounded up to whole 256.
    let width = (Int(2 * factor * Double(hidden) / 3) + 255) / 256 * 256
    return [norm, try TransformerPlanner.feedForward(config, recipe, hiddenSize: hidden, width: width)]
  }
}

/// Llama 3.2 Vision: some layers attend to the image instead of the text.
private enum CrossAttentionPlan {
  static func plan(_ config: ConfigurationReader, _ recipe: Recipe) throws(ConfigurationError) -> ModelPlan {
    let crossing = Set((config.listIfAny("cross_attention_layers") ?? []).compactMap(\.intValue))
    var adapted = recipe
    // The embedding table has rows for special image tokens; the head has none for them.
    adapted.extraTokenRows = 8
    adapted.mixers = { (planner, _, index) throws(ConfigurationError) in
      var block = planner.attentionBlock(index)
      guard crossing.contains(index) else { return [block] }
      block.shape.hasOwnCache = false
      block.queryKeyNorm = .perHead
      // A learnt gate for each half of the layer.
      return [block, ExtraTensor(role: .attentionOther, columns: 2)]
    }
    var plan = try TransformerPlanner(config, adapted).plan()
    plan.notes.append(.crossAttention(layers: crossing.count))
    return plan
  }
}
