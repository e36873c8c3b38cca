// SPDX-License-Identifier: Apache-2.0
internal import LanguageModel

/// The roles behind the tensor names of Hugging Face checkpoints.
///
/// Names that the runtime does not use are `.other`: they are read, counted and kept.
/// - Source: the state dictionaries of the Llama, Mistral, Mixtral, Qwen, Gemma, Phi, Granite, SmolLM3, StableLM,
///   StarCoder2, OLMo 2, OPT and Falcon classes.
struct HuggingFaceNames {
  /// Blocks with a norm behind the feed-forward part have one behind attention too (Gemma 2, OLMo 2); in others that
  /// name is the norm before the feed-forward part.
  private let hasPostNorms: Bool

  init(_ names: some Sequence<String>) {
    hasPostNorms = names.contains { $0.hasSuffix("post_feedforward_layernorm.weight") }
  }

  func parse(_ name: String) -> (role: TensorRole, layer: Int) {
    let parts = name.split(separator: ".")
    guard let place = parts.firstIndex(where: { $0 == "layers" || $0 == "h" }), parts.count > place + 2,
      let layer = Int(parts[place + 1]),
      (0..<4096).contains(layer)
    else { return (Self.outside[name] ?? .other, -1) }
    let suffix = parts[(place + 2)...].joined(separator: ".")
    if hasPostNorms, suffix == "post_attention_layernorm.weight" { return (.attentionPostNorm, layer) }
    return (Self.inside[suffix] ?? Self.expert(parts[(place + 2)...]) ?? .other, layer)
  }

  private static let outside: [String: TensorRole] = [
    "model.embed_tokens.weight": .tokenEmbedding, "model.norm.weight": .outputNorm, "lm_head.weight": .outputHead,
    "model.language_model.embed_tokens.weight": .tokenEmbedding, "model.language_model.norm.weight": .outputNorm,
    "model.norm.bias": .outputNormBias, "lm_head.bias": .outputHeadBias,
    "model.final_layernorm.weight": .outputNorm, "model.final_layernorm.bias": .outputNormBias,
    "model.decoder.embed_tokens.weight": .tokenEmbedding, "model.decoder.embed_positions.weight": .positionEmbedding,
    "model.decoder.final_layer_norm.weight": .outputNorm, "model.decoder.final_layer_norm.bias": .outputNormBias,
    "transformer.word_embeddings.weight": .tokenEmbedding, "transformer.ln_f.weight": .outputNorm,
    "transformer.ln_f.bias": .outputNormBias,
  ]

  private static let inside: [String: TensorRole] = [
    "input_layernorm.weight": .attentionNorm, "post_attention_layernorm.weight": .feedForwardNorm,
    "pre_feedforward_layernorm.weight": .feedForwardNorm, "post_feedforward_layernorm.weight": .feedForwardPostNorm,
    "self_attn.q_proj.weight": .attentionQuery, "self_attn.q_proj.bias": .attentionQueryBias,
    "self_attn.k_proj.weight": .attentionKey, "self_attn.k_proj.bias": .attentionKeyBias,
    "self_attn.v_proj.weight": .attentionValue, "self_attn.v_proj.bias": .attentionValueBias,
    "self_attn.o_proj.weight": .attentionOutput, "self_attn.o_proj.bias": .attentionOutputBias,
    "self_attn.q_norm.weight": .attentionQueryNorm, "self_attn.k_norm.weight": .attentionKeyNorm,
    "self_attn.qkv_proj.weight": .attentionQKV,
    "input_layernorm.bias": .attentionNormBias, "post_attention_layernorm.bias": .feedForwardNormBias,
    "self_attn_layer_norm.weight": .attentionNorm, "self_attn_layer_norm.bias": .attentionNormBias,
    "final_layer_norm.weight": .feedForwardNorm, "final_layer_norm.bias": .feedForwardNormBias,
    "self_attn.out_proj.weight": .attentionOutput, "self_attn.out_proj.bias": .attentionOutputBias,
    "self_attn.dense.weight": .attentionOutput, "self_attn.dense.bias": .attentionOutputBias,
    "self_attention.query_key_value.weight": .attentionQKV, "self_attention.query_key_value.bias": .attentionQKVBias,
    "self_attention.dense.weight": .attentionOutput, "self_attention.dense.bias": .attentionOutputBias,
    "ln_attn.weight": .attentionNorm2, "ln_attn.bias": .attentionNorm2Bias,
    "ln_mlp.weight": .attentionNorm, "ln_mlp.bias": .attentionNormBias,
    "fc1.weight": .feedForwardUp, "fc1.bias": .feedForwardUpBias,
    "fc2.weight": .feedForwardDown, "fc2.bias": .feedForwardDownBias,
    "mlp.fc1.weight": .feedForwardUp, "mlp.fc1.bias": .feedForwardUpBias,
    "mlp.fc2.weight": .feedForwardDown, "mlp.fc2.bias": .feedForwardDownBias,
    "mlp.c_fc.weight": .feedForwardUp, "mlp.c_fc.bias": .feedForwardUpBias,
    "mlp.c_proj.weight": .feedForwardDown, "mlp.c_proj.bias": .feedForwardDownBias,
    "mlp.dense_h_to_4h.weight": .feedForwardUp, "mlp.dense_h_to_4h.bias": .feedForwardUpBias,
    "mlp.dense_4h_to_h.weight": .feedForwardDown, "mlp.dense_4h_to_h.bias": .feedForwardDownBias,
    "mlp.gate_proj.weight": .feedForwardGate, "mlp.up_proj.weight": .feedForwardUp,
    "mlp.down_proj.weight": .feedForwardDown, "mlp.gate_up_proj.weight": .feedForwardGateUp,
    "mlp.gate.weight": .router, "block_sparse_moe.gate.weight": .router,
    "mlp.shared_expert.gate_proj.weight": .sharedExpertGate, "mlp.shared_expert.up_proj.weight": .sharedExpertUp,
    "mlp.shared_expert.down_proj.weight": .sharedExpertDown, "mlp.shared_expert_gate.weight": .sharedExpertRouter,
  ]

  /// `mlp.experts.17.up_proj.weight`, or Mixtral's `block_sparse_moe.experts.3.w2.weight`.
  private static func expert(_ parts: ArraySlice<Substring>) -> TensorRole? {
    let words = Array(parts)
    guard words.count == 5, words[1] == "experts", Int(words[2]) != nil, words[4] == "weight" else { return nil }
    return switch words[3] {
    case "gate_proj", "w1": .expertGate
    case "up_proj", "w3": .expertUp
    case "down_proj", "w2": .expertDown
    default: nil
    }
  }
}
