// SPDX-License-Identifier: Apache-2.0
internal import JSONText

extension Recipe {
  /// The recipe of a model type; nil for a type without rules.
  ///
  /// - Source: the published modelling code of each type; held to published parameter counts by the catalogue test.
  static func recipe(for modelType: String) -> Recipe? { table[modelType] }

  private static let table: [String: Recipe] = llamaLike.merging(classic) { first, _ in first }
    .merging(mixtures) { first, _ in first }.merging(latent) { first, _ in first }
    .merging(hybrids) { first, _ in first }.merging(others) { first, _ in first }
    .merging(gemmas) { first, _ in first }

  static let llama = Recipe()
  private static let qwen2 = Recipe().with {
    $0.inputBias = .keys(["qkv_bias"], otherwise: true)
    $0.outputBias = .never
    $0.windowNeedsSwitch = true
  }
  private static let qwen3 = Recipe().with {
    $0.queryKeyNorm = .perHead
    $0.windowNeedsSwitch = true
  }
  private static let gemma = Recipe().with { $0.isTiedByDefault = true }
  private static let glm = Recipe().with {
    $0.outputBias = .never
    $0.fusesGate = true
  }
  private static let olmo2 = Recipe().with {
    $0.placement = .after
    $0.queryKeyNorm = .allHeads
  }
  private static let cohere = Recipe().with {
    $0.placement = .one
    $0.queryKeyNorm = .allHeads
    $0.queryKeyNormRule = .keys(["use_qk_norm"], otherwise: false)
    $0.isTiedByDefault = true
  }

  /// RMS norms, gated feed-forward, rotary positions.
  private static let llamaLike: [String: Recipe] = [
    "llama": llama, "mistral": llama, "ministral3": llama, "minicpm": llama, "solar": llama, "helium": llama,
    "Yi": llama, "xverse": llama, "aquila": llama, "orion": llama.with { $0.norm = .weightAndBias },
    "exaone": llama.with { $0.isTiedByDefault = true },
    "granite": llama, "baichuan": llama,
    "smollm3": llama.with {
      $0.defaults = ["no_rope_layer_interval": 4, "rope_theta": 2_000_000]
      $0.isTiedByDefault = true
      $0.windowNeedsSwitch = true
    },
    "seed_oss": llama.with { $0.outputBias = .keys(["attention_out_bias"], otherwise: false) },
    "ernie4_5": llama.with {
      $0.inputBias = .keys(["use_bias"], otherwise: false)
      $0.outputBias = .keys(["use_bias"], otherwise: false)
      $0.feedForwardBias = .keys(["use_bias"], otherwise: false)
      $0.isTiedByDefault = true
    },
    "internlm": llama.with {
      $0.inputBias = .keys(["bias"], otherwise: true)
      $0.outputBias = .keys(["bias"], otherwise: true)
    },
    "internlm2": llama.with {
      $0.inputBias = .keys(["bias"], otherwise: false)
      $0.outputBias = .keys(["bias"], otherwise: false)
    },
    "internlm3": llama.with {
      $0.inputBias = .keys(["qkv_bias"], otherwise: false)
      $0.outputBias = .keys(["bias"], otherwise: false)
      $0.feedForwardBias = .keys(["bias"], otherwise: false)
    },
    "qwen2": qwen2, "qwen2_vl": qwen2, "qwen2_5_vl": qwen2, "qwen2_vl_text": qwen2, "qwen2_5_vl_text": qwen2,
    "mimo": qwen2,
    "qwen3": qwen3, "qwen3_vl_text": qwen3, "qwen3_vl": qwen3,
    "qwen": Recipe().with {
      $0.inputBias = .always
      $0.outputBias = .never
      $0.fusesQueryKeyValue = true
      $0.halvesWidth = true
    },
    "hunyuan_v1_dense": llama.with {
      $0.queryKeyNorm = .perHead
      $0.queryKeyNormRule = .keys(["use_qk_norm"], otherwise: true)
      $0.isTiedByDefault = true
    },
    "gemma": gemma,
    "gemma2": gemma.with {
      $0.defaults = [
        "query_pre_attn_scalar": 256, "attn_logit_softcapping": 50, "final_logit_softcapping": 30,
      ]
      $0.placement = .sandwich
      $0.windowPattern = 2
    },
    "gemma3_text": gemma3, "gemma3": gemma3,
    "glm": glm, "glm4": glm.with { $0.placement = .sandwich },
    "chatglm": glm.with {
      $0.inputBias = .keys(["add_qkv_bias"], otherwise: true)
      $0.feedForwardBias = .keys(["add_bias_linear"], otherwise: false)
      $0.fusesQueryKeyValue = true
    },
    "olmo": Recipe().with { $0.norm = .nothing },
    "olmo2": olmo2, "olmo3": olmo2.with { $0.windowPattern = 4 },
    "exaone4": olmo2.with { $0.queryKeyNorm = .perHead },
    "cohere": cohere,
    "cohere2": cohere.with {
      $0.windowPattern = 4
      $0.rotatesOnlyWindows = true
    },
    "phi3": Recipe().with {
      $0.fusesQueryKeyValue = true
      $0.fusesGate = true
    },
    "apertus": Recipe().with {
      $0.isGated = false
      $0.queryKeyNorm = .perHead
      // The activation xIELU learns two numbers per layer (arXiv 2411.13010).
      $0.extras = { (_) throws(ConfigurationError) in [ExtraTensor(role: .feedForwardOther, columns: 2)] }
    },
    "arcee": Recipe().with { $0.isGated = false },
    "bitnet": Recipe().with {
      $0.hasSubNorms = true
      $0.isTiedByDefault = true
    },
  ]

  // Published files of the larger sizes name only what differs from the class's defaults.
  private static let gemma3 = gemma.with {
    $0.defaults = [
      "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256, "vocab_size": 262_208,
      "max_position_embeddings": 131_072, "query_pre_attn_scalar": 256, "rope_theta": 1_000_000,
      "rope_local_base_freq": 10_000,
    ]
    $0.placement = .sandwich
    $0.queryKeyNorm = .perHead
    $0.windowPattern = 6
  }
}
