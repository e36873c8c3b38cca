// SPDX-License-Identifier: Apache-2.0

extension Recipe {
  /// Layer norms with biases, as GPT-2 set the custom.
  private static let biased = Recipe().with {
    $0.norm = .weightAndBias
    $0.inputBias = .always
    $0.outputBias = .always
    $0.feedForwardBias = .always
    $0.isGated = false
    $0.widthFactor = 4
  }
  private static let gpt2 = biased.with {
    $0.fusesQueryKeyValue = true
    $0.positions = .learnt(extraRows: 0)
    $0.isTiedByDefault = true
  }

  /// Transformers with layer norms, learnt positions or parallel blocks.
  static let classic: [String: Recipe] = [
    "gpt2": gpt2, "gpt_bigcode": gpt2,
    "gpt_neo": gpt2.with {
      $0.fusesQueryKeyValue = false
      $0.inputBias = .never
    },
    "gpt_neox": biased.with { $0.fusesQueryKeyValue = true },
    "gptj": gptj, "codegen": gptj.with { $0.fusesQueryKeyValue = true },
    "bloom": biased.with {
      $0.fusesQueryKeyValue = true
      $0.embeddingNorm = .weightAndBias
      $0.isTiedByDefault = true
    },
    // The position table starts at row 2.
    "opt": biased.with {
      $0.positions = .learnt(extraRows: 2)
      $0.hasFinalNorm = .keys(["do_layer_norm_before"], otherwise: true)
      $0.isTiedByDefault = true
    },
    "phi": biased.with {
      $0.placement = .one
      $0.queryKeyNorm = .perHeadWithBias
      $0.queryKeyNormRule = .keys(["qk_layernorm"], otherwise: false)
      $0.headBias = .always
    },
    "starcoder2": biased.with {
      $0.inputBias = .keys(["use_bias"], otherwise: true)
      $0.outputBias = .keys(["use_bias"], otherwise: true)
      $0.feedForwardBias = .keys(["use_bias"], otherwise: true)
      $0.isTiedByDefault = true
    },
    "nemotron": Recipe().with {
      $0.norm = .weightAndBias
      $0.isGated = false
    },
    "stablelm": stablelm, "stablelm_epoch": stablelm,
    "phi3small": biased.with {
      $0.isGated = true
      $0.fusesGate = true
      $0.fusesQueryKeyValue = true
      $0.isTiedByDefault = true
    },
    "mpt": Recipe().with {
      $0.isGated = false
      $0.fusesQueryKeyValue = true
      $0.widthFactor = 4
      $0.isTiedByDefault = true
      // A learnt table of positions, unless attention is biased by distance instead.
      $0.outside = { (config, sizes) throws(ConfigurationError) in
        let hasBias = try config.part("attn_config")?.flag("alibi") ?? false
        guard try config.flag("learned_pos_emb") ?? true, !hasBias, let rows = sizes.contextLength else { return [] }
        return [MatrixBlock(.positionEmbedding, rows, sizes.hiddenSize)]
      }
    },
    "falcon": falcon, "RefinedWebModel": falcon,
  ]

  private static let gptj = biased.with {
    $0.placement = .one
    $0.inputBias = .never
    $0.outputBias = .never
    $0.headBias = .always
  }

  private static let stablelm = Recipe().with {
    $0.norm = .weightAndBias
    $0.inputBias = .keys(["use_qkv_bias"], otherwise: false)
    $0.outputBias = .never
    // One norm for each head, of a head's width.
    $0.queryKeyNorm = .allHeads
    $0.queryKeyNormRule = .keys(["qk_layernorm"], otherwise: false)
    $0.plan = { (config, recipe) throws(ConfigurationError) in
      var recipe = recipe
      recipe.placement = try config.flag("use_parallel_residual") ?? false ? .one : .before
      return try TransformerPlanner(config, recipe).plan()
    }
  }

  /// Falcon: the block's form depends on three switches.
  private static let falcon = biased.with {
    let bias = FlagRule.keys(["bias"], otherwise: false)
    $0.inputBias = bias
    $0.outputBias = bias
    $0.feedForwardBias = bias
    $0.fusesQueryKeyValue = true
    $0.isTiedByDefault = true
    $0.plan = { (config, recipe) throws(ConfigurationError) in
      let isNew = try config.flag("new_decoder_architecture") ?? false
      let isParallel = try config.flag("parallel_attn") ?? true
      let norms = try config.integer(["num_ln_in_parallel_attn"], in: 1...2) ?? (isNew ? 2 : 1)
      var recipe = recipe
      recipe.placement = isNew || isParallel ? (norms == 2 ? .twoInParallel : .one) : .before
      return try TransformerPlanner(config, recipe).plan()
    }
  }
}
