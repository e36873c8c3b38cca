// SPDX-License-Identifier: Apache-2.0
package import LanguageModel

/// How Hugging Face's checkpoints of the llama family call tensors and order rows, where a GGUF file does otherwise.
///
/// - Source: the state dictionary of LlamaForCausalLM.
package enum LlamaCheckpoint {
  /// A tensor's name; nil for one that the family does not have.
  package static func name(of role: TensorRole, layer: Int) -> String? {
    switch role {
    case .tokenEmbedding: "model.embed_tokens.weight"
    case .outputNorm: "model.norm.weight"
    case .outputHead: "lm_head.weight"
    default: inside[role].map { "model.layers.\(layer).\($0)" }
    }
  }

  /// The row of a GGUF file's queries or keys that is `row` of the checkpoint's.
  ///
  /// GGUF files keep the two numbers that rotate together side by side, checkpoints half a head apart.
  package static func ggufRow(of row: Int, headWidth: Int) -> Int {
    let (place, half) = (row % headWidth, headWidth / 2)
    return row - place + 2 * (place % half) + place / half
  }

  private static let inside: [TensorRole: String] = [
    .attentionNorm: "input_layernorm.weight", .feedForwardNorm: "post_attention_layernorm.weight",
    .attentionQuery: "self_attn.q_proj.weight", .attentionKey: "self_attn.k_proj.weight",
    .attentionValue: "self_attn.v_proj.weight", .attentionOutput: "self_attn.o_proj.weight",
    .attentionQueryBias: "self_attn.q_proj.bias", .attentionKeyBias: "self_attn.k_proj.bias",
    .attentionValueBias: "self_attn.v_proj.bias", .attentionOutputBias: "self_attn.o_proj.bias",
    .feedForwardGate: "mlp.gate_proj.weight", .feedForwardUp: "mlp.up_proj.weight",
    .feedForwardDown: "mlp.down_proj.weight",
  ]
}
