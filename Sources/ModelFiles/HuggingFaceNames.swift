// SPDX-License-Identifier: Apache-2.0
internal import LanguageModel

/// The roles behind the tensor names of Hugging Face checkpoints of the llama and qwen families.
///
/// Names that the runtime does not use are `.other`: they are read, counted and kept.
/// - Source: the state dictionaries of LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM, Qwen3ForCausalLM and
///   Qwen2MoeForCausalLM.
struct HuggingFaceNames {
  /// Gemma-like blocks have four norms; in others the norm after attention is the one before the feed-forward part.
  private let hasFourNorms: Bool

  init(_ names: some Sequence<String>) {
    hasFourNorms = names.contains { $0.hasSuffix("pre_feedforward_layernorm.weight") }
  }

  func parse(_ name: String) -> (role: TensorRole, layer: Int) {
    let parts = name.split(separator: ".")
    guard let place = parts.firstIndex(of: "layers"), parts.count > place + 2, let layer = Int(parts[place + 1]),
      (0..<4096).contains(layer)
    else { return (Self.outside[name] ?? .other, -1) }
    let suffix = parts[(place + 2)...].joined(separator: ".")
    if hasFourNorms, suffix == "post_attention_layernorm.weight" { return (.attentionPostNorm, layer) }
    return (Self.inside[suffix] ?? Self.expert(parts[(place + 2)...]) ?? .other, layer)
  }

  private static let outside: [String: TensorRole] = [
    "model.embed_tokens.weight": .tokenEmbedding, "model.norm.weight": .outputNorm, "lm_head.weight": .outputHead,
    "model.language_model.embed_tokens.weight": .tokenEmbedding, "model.language_model.norm.weight": .outputNorm,
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
