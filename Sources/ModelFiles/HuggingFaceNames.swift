// SPDX-License-Identifier: Apache-2.0
internal import LanguageModel

/// The roles behind the tensor names of Hugging Face checkpoints.
///
/// Names that the runtime does not use are `.other`: they are read, counted and kept.
/// - Source: the state dictionaries of the Llama, Mistral, Mixtral, Qwen, Gemma, Phi, Granite, SmolLM3, StableLM,
///   StarCoder2, OLMo 2, OPT, Falcon, GPT-2, GPT-BigCode, GPT-NeoX, Bloom, MPT, GLM-4, DeepSeek-V2 and gpt-oss classes.
struct HuggingFaceNames {
  /// Blocks with a norm behind the feed-forward part have one behind attention too (Gemma 2, OLMo 2); in others that
  /// name is the norm before the feed-forward part.
  private let hasPostNorms: Bool

  init(_ names: some Sequence<String>) {
    hasPostNorms = names.contains { $0.hasSuffix("post_feedforward_layernorm.weight") }
  }

  func parse(_ name: String) -> (role: TensorRole, layer: Int) {
    let parts = name.split(separator: ".")
    guard let place = parts.firstIndex(where: { ["layers", "h", "blocks"].contains($0) }), parts.count > place + 2,
      let layer = Int(parts[place + 1]),
      (0..<4096).contains(layer)
    else { return (Self.outside[name] ?? Self.outside["transformer." + name] ?? .other, -1) }
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
    "transformer.ln_f.bias": .outputNormBias, "transformer.norm_f.weight": .outputNorm,
    "transformer.word_embeddings_layernorm.weight": .embeddingNorm,
    "transformer.word_embeddings_layernorm.bias": .embeddingNormBias,
    "transformer.wte.weight": .tokenEmbedding, "transformer.wpe.weight": .positionEmbedding,
    "gpt_neox.embed_in.weight": .tokenEmbedding, "embed_out.weight": .outputHead,
    "gpt_neox.final_layer_norm.weight": .outputNorm, "gpt_neox.final_layer_norm.bias": .outputNormBias,
  ]

  private static let inside: [String: TensorRole] = [
    "input_layernorm.weight": .attentionNorm, "post_attention_layernorm.weight": .feedForwardNorm,
    "pre_feedforward_layernorm.weight": .feedForwardNorm, "post_feedforward_layernorm.weight": .feedForwardPostNorm,
    "self_attn.q_proj.weight": .attentionQuery, "self_attn.q_proj.bias": .attentionQueryBias,
    "self_attn.k_proj.weight": .attentionKey, "self_attn.k_proj.bias": .attentionKeyBias,
    "self_attn.v_proj.weight": .attentionValue, "self_attn.v_proj.bias": .attentionValueBias,
    "self_attn.o_proj.weight": .attentionOutput, "self_attn.o_proj.bias": .attentionOutputBias,
    "self_attn.q_norm.weight": .attentionQueryNorm, "self_attn.k_norm.weight": .attentionKeyNorm,
    "self_attn.qkv_proj.weight": .attentionQKV, "self_attn.sinks": .attentionSinks,
    "post_self_attn_layernorm.weight": .attentionPostNorm, "post_mlp_layernorm.weight": .feedForwardPostNorm,
    "self_attn.q_a_proj.weight": .latentQueryDown, "self_attn.q_a_layernorm.weight": .latentQueryNorm,
    "self_attn.q_b_proj.weight": .latentQueryUp, "self_attn.kv_a_proj_with_mqa.weight": .latentKeyValueDown,
    "self_attn.kv_a_layernorm.weight": .latentKeyValueNorm, "self_attn.kv_b_proj.weight": .latentKeyValueUp,
    "ln_1.weight": .attentionNorm, "ln_1.bias": .attentionNormBias,
    "ln_2.weight": .feedForwardNorm, "ln_2.bias": .feedForwardNormBias,
    "norm_1.weight": .attentionNorm, "norm_1.bias": .attentionNormBias,
    "norm_2.weight": .feedForwardNorm, "norm_2.bias": .feedForwardNormBias,
    "attn.c_attn.weight": .attentionQKV, "attn.c_attn.bias": .attentionQKVBias,
    "attn.c_proj.weight": .attentionOutput, "attn.c_proj.bias": .attentionOutputBias,
    "attn.Wqkv.weight": .attentionQKV, "attn.Wqkv.bias": .attentionQKVBias,
    "attn.out_proj.weight": .attentionOutput, "attn.out_proj.bias": .attentionOutputBias,
    "attention.query_key_value.weight": .attentionQKV, "attention.query_key_value.bias": .attentionQKVBias,
    "attention.dense.weight": .attentionOutput, "attention.dense.bias": .attentionOutputBias,
    "attn.bias": .savedConstant, "attn.masked_bias": .savedConstant,
    "attention.bias": .savedConstant, "attention.masked_bias": .savedConstant,
    "attention.rotary_emb.inv_freq": .savedConstant, "self_attn.rotary_emb.inv_freq": .savedConstant,
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
    "ffn.up_proj.weight": .feedForwardUp, "ffn.up_proj.bias": .feedForwardUpBias,
    "ffn.down_proj.weight": .feedForwardDown, "ffn.down_proj.bias": .feedForwardDownBias,
    "mlp.experts.gate_up_proj": .expertGateUp, "mlp.experts.gate_up_proj_bias": .expertGateUpBias,
    "mlp.experts.down_proj": .expertDown, "mlp.experts.down_proj_bias": .expertDownBias,
    "mlp.router.weight": .router, "mlp.router.bias": .routerBias,
    "mlp.gate.e_score_correction_bias": .routerCorrection,
    "block_sparse_moe.input_linear.weight": .expertGateUp, "block_sparse_moe.output_linear.weight": .expertDown,
    "block_sparse_moe.router.layer.weight": .router,
    "mlp.shared_experts.gate_proj.weight": .sharedExpertGate, "mlp.shared_experts.up_proj.weight": .sharedExpertUp,
    "mlp.shared_experts.down_proj.weight": .sharedExpertDown,
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
