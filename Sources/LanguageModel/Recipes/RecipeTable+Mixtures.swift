// SPDX-License-Identifier: Apache-2.0
internal import JSONText

extension Recipe {
  /// Transformers with routed experts.
  static let mixtures: [String: Recipe] = [
    "mixtral": Recipe().with { $0.defaults = ["rope_theta": 1_000_000] },
    "qwen2_moe": Recipe().with {
      $0.inputBias = .keys(["qkv_bias"], otherwise: true)
      $0.outputBias = .never
      $0.hasSharedGate = true
      $0.windowNeedsSwitch = true
    },
    "qwen3_moe": qwen3Moe, "qwen3_vl_moe_text": qwen3Moe,
    "olmoe": Recipe().with { $0.queryKeyNorm = .allHeads },
    "flex_olmo": Recipe().with { $0.queryKeyNorm = .allHeads },
    "granitemoe": Recipe(), "granitemoeshared": Recipe(),
    "hunyuan_v1_moe": hunyuan, "hunyuan": hunyuan,
    "gpt_oss": Recipe().with {
      $0.inputBias = .keys(["attention_bias"], otherwise: true)
      $0.outputBias = .keys(["attention_bias"], otherwise: true)
      $0.hasSinks = true
      $0.routerBias = .always
      $0.expertBias = .always
      $0.windowPattern = 2
    },
    "deepseek": Recipe(),
    "dbrx": Recipe().with { $0.fusesQueryKeyValue = true },
    "phimoe": Recipe().with {
      $0.norm = .weightAndBias
      $0.headBias = .keys(["lm_head_bias"], otherwise: true)
    },
    "llama4_text": Recipe().with { $0.sharedExpertsByDefault = 1 },
    "bailing_moe": Recipe().with {
      $0.inputBias = .keys(["use_qkv_bias"], otherwise: false)
      $0.outputBias = .keys(["use_bias"], otherwise: false)
    },
    "bailing_moe_v2": Recipe().with {
      $0.inputBias = .keys(["use_qkv_bias"], otherwise: false)
      $0.outputBias = .keys(["use_bias"], otherwise: false)
      $0.queryKeyNorm = .perHead
      $0.queryKeyNormRule = .keys(["use_qk_norm"], otherwise: true)
      $0.routerCorrection = .keys(["moe_router_enable_expert_bias"], otherwise: true)
    },
    "dots1": Recipe().with {
      $0.queryKeyNorm = .perHead
      $0.routerCorrection = .always
    },
    "glm4_moe": Recipe().with {
      $0.outputBias = .never
      $0.queryKeyNorm = .perHead
      $0.queryKeyNormRule = .keys(["use_qk_norm"], otherwise: false)
      $0.routerCorrection = .always
    },
    "ernie4_5_moe": Recipe().with {
      $0.inputBias = .keys(["use_bias"], otherwise: false)
      $0.outputBias = .keys(["use_bias"], otherwise: false)
      $0.feedForwardBias = .keys(["use_bias"], otherwise: false)
      $0.routerCorrection = .always
      $0.isTiedByDefault = true
    },
    "minimax_m2": Recipe().with {
      $0.queryKeyNorm = .allHeads
      $0.routerCorrection = .keys(["use_routing_bias"], otherwise: true)
    },
    "solar_open": Recipe(),
    "hy_v3": Recipe().with {
      $0.queryKeyNorm = .perHead
      $0.routerCorrection = .always
    },
    "exaone_moe": Recipe().with {
      $0.queryKeyNorm = .perHead
      $0.routerCorrection = .always
    },
    "afmoe": Recipe().with {
      $0.placement = .sandwich
      $0.queryKeyNorm = .perHead
      $0.gate = .perElement
      $0.routerCorrection = .always
    },
    "grok-1": Recipe().with { $0.placement = .sandwich },
    // A dense residual path beside the experts, as wide as the hidden size, with a norm of its own.
    "arctic": Recipe().with {
      $0.extras = { (context) throws(ConfigurationError) in
        let width = context.hiddenSize
        return [
          NormBlock(role: .feedForwardPostNorm, width: width, style: .weight),
          FeedForwardBlock(hiddenSize: width, width: width),
        ]
      }
    },
    "minimax_m3_vl": minimaxM3, "minimax_m3_vl_text": minimaxM3,
    "mimo_v2_flash": Recipe().with {
      $0.routerCorrection = .always
      $0.mixers = { (planner, _, index) throws(ConfigurationError) in [try planner.windowedMixer(index)] }
    },
    "step3p5": step, "step3p7": step,
    "jetmoe": Recipe().with {
      $0.isTiedByDefault = true
      $0.mixers = { (planner, _, _) throws(ConfigurationError) in [try JetAttentionBlock(planner)] }
      // A bias after the experts.
      $0.extras = { (context) throws(ConfigurationError) in
        [ExtraTensor(role: .feedForwardOther, columns: context.hiddenSize)]
      }
    },
  ]

  private static let minimaxM3 = Recipe().with {
    $0.queryKeyNorm = .perHead
    $0.routerCorrection = .keys(["use_routing_bias"], otherwise: true)
    $0.mixers = { (planner, _, index) throws(ConfigurationError) in [try planner.indexedAttention(index)] }
  }
  private static let step = Recipe().with {
    $0.queryKeyNorm = .perHead
    $0.routerCorrection = .keys(["use_moe_router_bias"], otherwise: false)
    $0.mixers = { (planner, _, index) throws(ConfigurationError) in [try planner.stepAttention(index)] }
  }
  private static let hunyuan = Recipe().with {
    $0.queryKeyNorm = .perHead
    $0.queryKeyNormRule = .keys(["use_qk_norm"], otherwise: true)
  }
  private static let qwen3Moe = Recipe().with {
    $0.queryKeyNorm = .perHead
    $0.windowNeedsSwitch = true
  }
}
