// SPDX-License-Identifier: Apache-2.0
import LanguageModel
import Profiles
import Testing

@Suite struct TensorNameTests {
  @Test func `every role that has a GGUF name is found again under it`() {
    for role in TensorRole.allCases {
      for layer in [-1, 0, 7, 4095] {
        guard let name = role.ggufName(layer: layer) else { continue }
        let parsed = TensorRole.parse(ggufName: name)
        // A role inside the layers has no meaning outside them, and the other way round.
        guard parsed.role != .other else { continue }
        #expect(parsed.role == role && parsed.layer == layer, "\(name)")
      }
      let places = [-1, 3].filter { layer in
        guard let name = role.ggufName(layer: layer) else { return false }
        return TensorRole.parse(ggufName: name).role == role
      }
      #expect(places.count <= 1 || role == .other, "\(role)")
      #expect(role.ggufName(layer: 0) == nil || !places.isEmpty, "\(role) has a name that nothing reads back")
    }
  }

  // Source: the GGUF specification, section "Standardized tensor names".
  @Test(arguments: [
    ("token_embd.weight", TensorRole.tokenEmbedding, -1), ("output_norm.weight", .outputNorm, -1),
    ("output.weight", .outputHead, -1), ("blk.0.attn_norm.weight", .attentionNorm, 0),
    ("blk.31.attn_q.weight", .attentionQuery, 31), ("blk.3.attn_k.bias", .attentionKeyBias, 3),
    ("blk.5.attn_qkv.weight", .attentionQKV, 5), ("blk.2.attn_output.weight", .attentionOutput, 2),
    ("blk.1.ffn_gate.weight", .feedForwardGate, 1), ("blk.1.ffn_gate_inp.weight", .router, 1),
    ("blk.1.ffn_gate_exps.weight", .expertGate, 1), ("blk.9.ssm_a", .recurrentDecay, 9),
    ("blk.9.ssm_conv1d.weight", .recurrentConvolution, 9), ("rope_freqs.weight", .ropeFactors, -1),
  ])
  func `names of the specification have their roles`(name: String, role: TensorRole, layer: Int) {
    #expect(TensorRole.parse(ggufName: name) == (role, layer))
    #expect(role.ggufName(layer: layer) == name)
  }

  @Test(arguments: [
    "", "blk", "blk.", "blk..attn_q.weight", "blk.x.attn_q.weight", "blk.-1.attn_q.weight", "blk.4096.attn_q.weight",
    "blk.99999999999999999999.attn_q.weight", "blk.0.", "blk.0.unheard_of.weight", "v.blk.0.attn_q.weight",
  ])
  func `any other name is other`(name: String) {
    #expect(TensorRole.parse(ggufName: name).role == .other)
  }

  @Test func `tensors of a described llama have names and no two the same`() throws {
    let catalogue = try ModelCatalogue.builtIn()
    for name in ["meta-llama/Llama-3.1-8B", "Qwen/Qwen2.5-0.5B", "mistralai/Mixtral-8x7B-v0.1", "google/gemma-2-2b-it"]
    {
      let tensors = try catalogue.describe(catalogue.entry(named: name)).inventory.tensors
      let names = try tensors.map { try #require($0.ggufName) }
      #expect(Set(names).count == names.count, "\(name)")
    }
  }
}
