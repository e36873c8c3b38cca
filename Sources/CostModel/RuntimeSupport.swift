// SPDX-License-Identifier: Apache-2.0
package import LanguageModel

/// What the built-in runtime can run, known without loading it.
package enum RuntimeSupport {
  /// Model types whose logits are held to an independent implementation's by the tests.
  package static let modelTypes: Set<String> = [
    "llama", "mistral", "ministral3", "mixtral", "qwen2", "qwen3", "qwen2_moe", "qwen3_moe", "gemma", "gemma2",
    "gemma3", "gemma3_text", "phi", "phi3", "granite", "granitemoe", "smollm3", "stablelm", "starcoder2", "gpt2",
    "gpt_neox", "gpt_bigcode", "falcon", "opt", "olmo2", "olmoe", "gpt_oss", "deepseek_v2", "cohere", "cohere2",
    "glm4", "seed_oss", "ernie4_5", "arcee", "internlm2", "bloom", "mpt", "nemotron-nas",
  ]

  /// Tensors that the forward pass knows.
  package static let roles: Set<TensorRole> = [
    .tokenEmbedding, .positionEmbedding, .embeddingNorm, .embeddingNormBias, .savedConstant,
    .outputHead, .outputHeadBias, .outputNorm, .outputNormBias,
    .ropeFactors, .ropeFactorsLong, .ropeFactorsShort,
    .attentionNorm, .attentionNormBias, .attentionNorm2, .attentionNorm2Bias, .attentionPostNorm,
    .attentionQKV, .attentionQKVBias, .attentionQuery, .attentionQueryBias, .attentionKey, .attentionKeyBias,
    .attentionValue, .attentionValueBias, .attentionOutput, .attentionOutputBias, .attentionQueryNorm,
    .attentionKeyNorm, .attentionSinks,
    .latentQueryDown, .latentQueryNorm, .latentQueryUp, .latentKeyValueDown, .latentKeyValueNorm, .latentKeyUp,
    .latentValueUp, .latentKeyValueUp,
    .feedForwardNorm, .feedForwardNormBias, .feedForwardPostNorm, .feedForwardGate, .feedForwardGateBias,
    .feedForwardUp, .feedForwardUpBias, .feedForwardGateUp, .feedForwardDown, .feedForwardDownBias,
    .router, .routerBias, .routerCorrection, .expertGate, .expertGateBias, .expertUp, .expertUpBias, .expertDown,
    .expertGateUp, .expertGateUpBias, .expertDownBias,
    .sharedExpertGate, .sharedExpertUp, .sharedExpertDown, .sharedExpertRouter,
  ]

  /// Whether the forward pass knows what to do with a tensor.
  package static func knows(_ tensor: TensorDescription) -> Bool {
    roles.contains(tensor.role) && (tensor.part == .whole || factoredRoles.contains(tensor.role))
  }

  /// Matrices that may come in low-rank factors or with an adapter.
  private static let factoredRoles: Set<TensorRole> = [
    .attentionQuery, .attentionKey, .attentionValue, .attentionOutput, .feedForwardGate, .feedForwardUp,
    .feedForwardDown,
  ]

  /// Whether it runs the model's low-rank factors and adapters, if it has any: not those of a matrix that fuses several.
  package static func runsFactors(of model: LanguageModelDescription) -> Bool {
    let tensors = model.inventory.tensors
    guard let factor = tensors.first(where: { $0.part != .whole }) else { return true }
    let hasGate = tensors.contains { $0.role == .feedForwardGate }
    let isFused = factor.layer >= 0 && !hasGate && tensors.contains { isHalved($0, model.architecture) }
    return !isFused && tensors.allSatisfy(knows)
  }

  /// Whether gate and up are the halves of this matrix.
  private static func isHalved(_ tensor: TensorDescription, _ architecture: ModelArchitecture) -> Bool {
    guard tensor.role == .feedForwardUp, tensor.layer >= 0, Int(tensor.layer) < architecture.layers.count else {
      return false
    }
    return architecture.layers[Int(tensor.layer)].feedForward?.isGated ?? false
  }

  /// Whether the forward pass runs a model, as far as its shapes and tensors say.
  package static func runs(_ model: LanguageModelDescription) -> Bool {
    runs(model.architecture) && model.inventory.tensors.allSatisfy { roles.contains($0.role) }
  }

  /// Whether the forward pass runs a model of these shapes.
  package static func runs(_ architecture: ModelArchitecture) -> Bool {
    modelTypes.contains(architecture.modelType) && architecture.forward.lacking == nil
      && architecture.layers.allSatisfy(runs)
  }

  /// One mixer, and a feed-forward part that is dense or of experts; heads of whole groups of eight elements, keys as wide as values.
  package static func runs(_ layer: LayerDescription) -> Bool {
    guard layer.mixers.count == 1, let mixer = layer.mixers.first, let part = layer.feedForward,
      part.experts == 0 || part.width == 0
    else { return false }
    switch mixer {
    case .attention(let shape):
      return shape.hasOwnCache && shape.indexWidth == 0 && shape.keyWidth == shape.valueWidth
        && shape.keyWidth % 8 == 0 && shape.heads % max(1, shape.keyValueHeads) == 0
    case .latentAttention(let shape):
      return shape.stride == 1 && shape.indexWidth == 0 && shape.window == nil && shape.plainWidth > 0
        && shape.valueWidth > 0 && (shape.keyValueRank + shape.ropeWidth) % 8 == 0
    case .recurrent: return false
    }
  }
}

extension Engine {
  /// Whether the engine runs the model's low-rank factors and adapters, if it has any.
  func runsFactors(of model: LanguageModelDescription) -> Bool {
    switch self {
    case .anprobe: RuntimeSupport.runsFactors(of: model)
    // The others take adapters beside a model, but no model in factors.
    default: model.inventory.tensors.allSatisfy { $0.part == .whole || $0.part.isAdapter }
    }
  }
}
