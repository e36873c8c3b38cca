// SPDX-License-Identifier: Apache-2.0

extension ForwardRules {
  /// What a model type's code fixes, and its values for what a file leaves out; llama's for a type without an entry.
  ///
  /// - Source: the published modelling code of each type.
  static func family(of modelType: String, hiddenSize: Int) -> ForwardRules {
    var rules = ForwardRules(normEpsilon: 1e-6)
    families[modelType]?(&rules, hiddenSize)
    if rules.norm == .layer { rules.normEpsilon = 1e-5 }
    return rules
  }

  private typealias Change = @Sendable (inout ForwardRules, Int) -> Void

  private static let families: [String: Change] = [
    "gemma": gemma, "gemma2": gemma, "gemma3": gemma3, "gemma3_text": gemma3,
    "gpt2": biased(.geluTanh), "gpt_bigcode": biased(.geluTanh), "starcoder2": biased(.geluTanh),
    "phi": biased(.geluTanh), "gpt_neox": biased(.gelu), "falcon": biased(.gelu),
    "cohere": cohere, "cohere2": cohere, "arcee": { rules, _ in rules.activation = .squaredRelu },
    "glm4": neighbours, "ernie4_5": neighbours,
    "olmoe": { rules, _ in
      rules.normEpsilon = 1e-5
      rules.routing.normalises = false
    },
    "stablelm": { rules, _ in rules.norm = .layer },
    "mixtral": { rules, _ in rules.normEpsilon = 1e-5 }, "olmo2": { rules, _ in rules.normEpsilon = 1e-5 },
    "phi3": { rules, _ in rules.normEpsilon = 1e-5 },
    "opt": { rules, _ in
      rules.norm = .layer
      rules.activation = .relu
      rules.positionOffset = 2
    },
    "gpt_oss": { rules, _ in
      rules.normEpsilon = 1e-5
      rules.activation = .clampedSwiGLU
      rules.routing.score = .softmaxOfChosen
      rules.routing.normalises = false
    },
    "bloom": { rules, hidden in
      biased(.geluTanh)(&rules, hidden)
      rules.distanceBias = DistanceBias()
    },
    "mpt": biased(.gelu),
    "qwen2_moe": { rules, _ in rules.routing.normalises = false },
    "deepseek_v2": { rules, hidden in
      neighbours(&rules, hidden)
      rules.routing.normalises = false
    },
    "deepseek_v3": { rules, _ in rules.routing.score = .sigmoid },
  ]

  private static let gemma: Change = { rules, hidden in
    rules.activation = .geluTanh
    rules.embeddingScale = Double(hidden).squareRoot()
  }
  /// Windowed layers keep the base of short contexts and are never stretched.
  private static let gemma3: Change = { rules, hidden in
    gemma(&rules, hidden)
    rules.windowRope = RopeRules()
  }
  /// Checkpoints whose own code rotates neighbouring pairs.
  private static let neighbours: Change = { rules, _ in rules.rope.pairing = .neighbours }
  private static let cohere: Change = { rules, hidden in
    neighbours(&rules, hidden)
    rules.norm = .layer
  }
  private static func biased(_ activation: Activation) -> Change {
    { rules, _ in
      rules.norm = .layer
      rules.activation = activation
    }
  }
}
