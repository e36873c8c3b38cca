// SPDX-License-Identifier: Apache-2.0
internal import JSONText

extension Recipe {
  private static let deepseekV2 = Recipe().with {
    $0.mixers = { (planner, _, index) throws(ConfigurationError) in [try planner.latentAttention(index)] }
  }
  private static let deepseekV3 = deepseekV2.with { $0.routerCorrection = .always }

  /// Transformers with multi-head latent attention.
  static let latent: [String: Recipe] = [
    "deepseek_v2": deepseekV2, "deepseek_v3": deepseekV3, "kimi_k2": deepseekV3, "deepseek_v32": deepseekV3,
    "glm_moe_dsa": deepseekV3, "glm4_moe_lite": deepseekV3, "minicpm3": deepseekV2,
    "kimi_linear": deepseekV3.with {
      $0.mixers = { (planner, kind, index) throws(ConfigurationError) in
        guard kind == .linearAttention else { return [try planner.latentAttention(index)] }
        return [try KimiDeltaBlock(planner.config, hiddenSize: planner.sizes.hiddenSize)]
      }
      // Attention over the residuals of earlier blocks: a norm and a query for each half of a layer.
      $0.extras = { (context) throws(ConfigurationError) in
        guard context.config.has("attn_res_block_size") else { return [] }
        let vector = ExtraTensor(role: .attentionOther, columns: context.hiddenSize)
        return [vector, vector, vector, vector]
      }
      $0.outside = { (config, sizes) throws(ConfigurationError) in
        guard config.has("attn_res_block_size") else { return [] }
        let vector = ExtraTensor(role: .attentionOther, columns: sizes.hiddenSize)
        return [vector, vector]
      }
    },
    // Kimi's delta attention with full-rank gates; latent attention with one output gate per head.
    "bailing_hybrid": deepseekV3.with {
      $0.mixers = { (planner, kind, index) throws(ConfigurationError) in
        guard kind == .linearAttention else {
          var block = try planner.latentAttention(index)
          block.gate = .perHead
          return [block]
        }
        var block = try KimiDeltaBlock(planner.config, hiddenSize: planner.sizes.hiddenSize)
        block.hasFullRankGate = true
        block.hasFullRankDecay = true
        return [block]
      }
    },
    "deepseek_v4": deepseekV4,
  ]

  /// Experts everywhere; the first layers choose them by the token's hash and have no correction.
  private static let deepseekV4 = Recipe().with {
    $0.mixers = { (planner, _, index) throws(ConfigurationError) in [try planner.compressedAttention(index)] }
    $0.feedForwards = { (planner, index) throws(ConfigurationError) in
      guard let experts = planner.experts else { throw planner.config.missing(["n_routed_experts"]) }
      var block = try TransformerPlanner.expertsBlock(
        experts, planner.config, planner.recipe, hiddenSize: planner.sizes.hiddenSize)
      let hashed = try planner.config.integer(["num_hash_layers"], in: 0...ConfigurationReader.Limit.layers) ?? 0
      block.hasRouterCorrection = index >= hashed
      return [block]
    }
    $0.extras = { (context) throws(ConfigurationError) in
      let streams = try context.config.integer(["hc_mult"], in: 1...64) ?? 1
      let mixed = (2 + streams) * streams
      let block = HyperConnectionBlock(mixed: mixed, width: streams * context.hiddenSize, scales: 3)
      return [block, block]
    }
    $0.outside = { (config, sizes) throws(ConfigurationError) in
      let streams = try config.integer(["hc_mult"], in: 1...64) ?? 1
      return [HyperConnectionBlock(mixed: streams, width: streams * sizes.hiddenSize, scales: 1)]
    }
  }
}

extension TransformerPlanner {
  /// Multi-head latent attention from the configuration's ranks.
  func latentAttention(_ index: Int) throws(ConfigurationError) -> LatentAttentionBlock {
    var shape = LatentAttention(
      heads: attention.shape.heads, keyValueRank: try config.width("kv_lora_rank"),
      ropeWidth: try config.count("qk_rope_head_dim"), plainWidth: try config.count("qk_nope_head_dim"),
      valueWidth: try config.countIfAny("v_head_dim") ?? attention.shape.valueWidth)
    let indexer = try indexer(index)
    shape.indexWidth = indexer?.headWidth ?? 0
    var block = LatentAttentionBlock(
      hiddenSize: sizes.hiddenSize, shape: shape, queryRank: try config.widthIfAny("q_lora_rank"))
    block.indexer = indexer
    block.gate = try config.flag("mla_use_output_gate") ?? false ? .perElement : .none
    return block
  }

  /// The sparse indexer, where the layer has one of its own.
  private func indexer(_ index: Int) throws(ConfigurationError) -> LatentAttentionBlock.Indexer? {
    guard let heads = try config.countIfAny("index_n_heads") else { return nil }
    if let types = try config.list("indexer_types", atLeast: sizes.layerCount), types[index] == "shared" {
      return nil
    }
    return LatentAttentionBlock.Indexer(heads: heads, headWidth: try config.count("index_head_dim"))
  }
}
