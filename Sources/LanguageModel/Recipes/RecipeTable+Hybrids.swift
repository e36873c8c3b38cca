// SPDX-License-Identifier: Apache-2.0

extension Recipe {
  private static let deltaNet = Recipe().with {
    $0.queryKeyNorm = .perHead
    $0.gate = .insideQuery
    $0.hasSharedGate = true
    $0.mixers = deltaMixers
  }
  private static let mamba2Hybrid = Recipe().with {
    $0.mixers = { (planner, kind, index) throws(ConfigurationError) in
      guard kind == .stateSpace else { return [planner.attentionBlock(index)] }
      return [try StateSpaceDualityBlock(planner.config, hiddenSize: planner.sizes.hiddenSize)]
    }
  }
  private static let lfm2 = Recipe().with {
    $0.queryKeyNorm = .perHead
    $0.isTiedByDefault = true
    $0.mixers = { (planner, kind, index) throws(ConfigurationError) in
      guard kind == .convolution else { return [planner.attentionBlock(index)] }
      return [try ShortConvolutionBlock(planner.config, hiddenSize: planner.sizes.hiddenSize)]
    }
  }

  /// Models with layers whose memory does not grow with the context.
  static let hybrids: [String: Recipe] = [
    "qwen3_next": deltaNet, "qwen3_5_text": deltaNet, "qwen3_5_moe_text": deltaNet,
    "olmo_hybrid": Recipe().with {
      $0.queryKeyNorm = .allHeads
      $0.mixers = deltaMixers
    },
    "bamba": mamba2Hybrid, "granitemoehybrid": mamba2Hybrid.with { $0.isTiedByDefault = true },
    "falcon_h1": Recipe().with {
      $0.mixers = { (planner, _, index) throws(ConfigurationError) in
        [
          planner.attentionBlock(index),
          try StateSpaceDualityBlock(planner.config, hiddenSize: planner.sizes.hiddenSize),
        ]
      }
    },
    "jamba": Recipe().with {
      $0.mixers = { (planner, kind, index) throws(ConfigurationError) in
        guard kind == .stateSpace else { return [planner.attentionBlock(index)] }
        var block = try SelectiveStateBlock(planner.config, hiddenSize: planner.sizes.hiddenSize)
        block.hasStateNorms = true
        return [block]
      }
    },
    "lfm2": lfm2.with { $0.adjustsWidth = true },
    "lfm2_moe": lfm2.with { $0.routerCorrection = .keys(["use_expert_bias"], otherwise: true) },
    // The output projection and the feed-forward part always have biases; the width key counts both branches.
    "recurrent_gemma": Recipe().with {
      $0.outputBias = .always
      $0.feedForwardBias = .always
      $0.halvesWidth = true
      $0.isTiedByDefault = true
      $0.mixers = { (planner, kind, index) throws(ConfigurationError) in
        guard kind == .recurrent else { return [planner.attentionBlock(index)] }
        return [try GatedRecurrentBlock(planner.config, hiddenSize: planner.sizes.hiddenSize)]
      }
    },
    "mamba": stateSpace, "falcon_mamba": stateSpace, "mamba2": stateSpace.with { $0.isTiedByDefault = false },
    "nemotron_h": Recipe().with {
      $0.isGated = false
      $0.routerCorrection = .always
      $0.plan = { (config, recipe) throws(ConfigurationError) in try NemotronPlan.plan(config, recipe) }
    },
    "zamba": zamba, "zamba2": zamba,
  ]

  private static let zamba = Recipe().with {
    $0.isTiedByDefault = true
    $0.plan = { (config, recipe) throws(ConfigurationError) in try ZambaPlan(config, recipe).plan() }
  }

  private static let stateSpace = Recipe().with {
    $0.isTiedByDefault = true
    $0.plan = { (config, recipe) throws(ConfigurationError) in
      let sizes = try CommonSizes(config)
      var plan = try Embeddings.plan(config, recipe, sizes)
      let mixer: any LayerBlock =
        if config.has("num_heads") {
          try StateSpaceDualityBlock(config, hiddenSize: sizes.hiddenSize)
        } else {
          try SelectiveStateBlock(config, hiddenSize: sizes.hiddenSize)
        }
      let norm = NormBlock(role: .attentionNorm, width: sizes.hiddenSize, style: .weight)
      plan.layers = [[any LayerBlock]](repeating: [norm, mixer], count: sizes.layerCount)
      return plan
    }
  }

  private static let deltaMixers:
    @Sendable (TransformerPlanner, LayerKind, Int) throws(ConfigurationError) -> [any LayerBlock] = {
      (planner, kind, index) throws(ConfigurationError) in
      guard kind == .linearAttention else { return [planner.attentionBlock(index)] }
      return [try GatedDeltaBlock(planner.config, hiddenSize: planner.sizes.hiddenSize)]
    }
}
