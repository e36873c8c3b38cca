// SPDX-License-Identifier: Apache-2.0

extension TensorRole {
  /// The tensor's name in a GGUF file, or nil for roles that GGUF has no name for.
  ///
  /// - Source: the tensor names of the GGUF specification and of gguf-py's constants.
  package func ggufName(layer: Int) -> String? {
    guard let suffix = Self.ggufSuffixes[self] else { return nil }
    return layer < 0 ? suffix : "blk.\(layer).\(suffix)"
  }

  /// The role and the layer (-1 outside the layers) of a tensor in a GGUF file; `.other` for an unknown name.
  package static func parse(ggufName name: String) -> (role: TensorRole, layer: Int) {
    guard name.hasPrefix("blk.") else { return (outsideByName[name] ?? .other, -1) }
    let rest = name.dropFirst(4)
    guard let dot = rest.firstIndex(of: "."), let layer = Int(rest[..<dot]), (0..<4096).contains(layer) else {
      return (.other, -1)
    }
    let suffix = String(rest[rest.index(after: dot)...])
    return (insideByName[suffix] ?? .other, layer)
  }

  private static let ggufSuffixes: [TensorRole: String] = Dictionary(
    (outside + inside).map { ($0.0, $0.1) }, uniquingKeysWith: { first, _ in first })
  private static let outsideByName: [String: TensorRole] = Dictionary(
    outside.map { ($0.1, $0.0) }, uniquingKeysWith: { first, _ in first })
  private static let insideByName: [String: TensorRole] = Dictionary(
    (inside + aliases).map { ($0.1, $0.0) }, uniquingKeysWith: { first, _ in first })

  private static let outside: [(TensorRole, String)] = [
    (.tokenEmbedding, "token_embd.weight"), (.tokenTypeEmbedding, "token_types.weight"),
    (.positionEmbedding, "position_embd.weight"),
    (.embeddingNorm, "token_embd_norm.weight"), (.embeddingNormBias, "token_embd_norm.bias"),
    (.perLayerEmbedding, "per_layer_token_embd.weight"), (.perLayerProjection, "per_layer_model_proj.weight"),
    (.perLayerProjectionNorm, "per_layer_proj_norm.weight"),
    (.outputNorm, "output_norm.weight"), (.outputNormBias, "output_norm.bias"),
    (.outputHead, "output.weight"), (.outputHeadBias, "output.bias"),
    (.ropeFactors, "rope_freqs.weight"), (.ropeFactorsLong, "rope_factors_long.weight"),
    (.ropeFactorsShort, "rope_factors_short.weight"),
    (.altupProjection, "altup_proj.weight"), (.altupUnembedding, "altup_unembd_proj.weight"),
  ]

  private static let inside: [(TensorRole, String)] = attention + feedForward + recurrent + perLayer

  private static let attention: [(TensorRole, String)] = [
    (.attentionNorm, "attn_norm.weight"), (.attentionNormBias, "attn_norm.bias"),
    (.attentionNorm2, "attn_norm_2.weight"), (.attentionNorm2Bias, "attn_norm_2.bias"),
    (.attentionPostNorm, "post_attention_norm.weight"),
    (.attentionQKV, "attn_qkv.weight"), (.attentionQKVBias, "attn_qkv.bias"),
    (.attentionQuery, "attn_q.weight"), (.attentionQueryBias, "attn_q.bias"),
    (.attentionKey, "attn_k.weight"), (.attentionKeyBias, "attn_k.bias"),
    (.attentionValue, "attn_v.weight"), (.attentionValueBias, "attn_v.bias"),
    (.attentionOutput, "attn_output.weight"), (.attentionOutputBias, "attn_output.bias"),
    (.attentionGate, "attn_gate.weight"),
    (.attentionQueryNorm, "attn_q_norm.weight"), (.attentionQueryNormBias, "attn_q_norm.bias"),
    (.attentionKeyNorm, "attn_k_norm.weight"), (.attentionKeyNormBias, "attn_k_norm.bias"),
    (.attentionSubNorm, "attn_sub_norm.weight"), (.attentionSinks, "attn_sinks.weight"),
    (.latentQueryDown, "attn_q_a.weight"), (.latentQueryNorm, "attn_q_a_norm.weight"),
    (.latentQueryUp, "attn_q_b.weight"), (.latentKeyValueDown, "attn_kv_a_mqa.weight"),
    (.latentKeyValueNorm, "attn_kv_a_norm.weight"), (.latentKeyValueUp, "attn_kv_b.weight"),
    (.latentKeyUp, "attn_k_b.weight"), (.latentValueUp, "attn_v_b.weight"),
    (.indexerQueryUp, "indexer.attn_q_b.weight"), (.indexerKey, "indexer.attn_k.weight"),
    (.indexerKeyNorm, "indexer.k_norm.weight"), (.indexerKeyNormBias, "indexer.k_norm.bias"),
    (.indexerHeadWeights, "indexer.proj.weight"),
  ]

  private static let feedForward: [(TensorRole, String)] = [
    (.feedForwardNorm, "ffn_norm.weight"), (.feedForwardNormBias, "ffn_norm.bias"),
    (.feedForwardPostNorm, "post_ffw_norm.weight"), (.feedForwardSubNorm, "ffn_sub_norm.weight"),
    (.feedForwardGate, "ffn_gate.weight"), (.feedForwardGateBias, "ffn_gate.bias"),
    (.feedForwardUp, "ffn_up.weight"), (.feedForwardUpBias, "ffn_up.bias"),
    (.feedForwardGateUp, "ffn_gate_up.weight"),
    (.feedForwardDown, "ffn_down.weight"), (.feedForwardDownBias, "ffn_down.bias"),
    (.router, "ffn_gate_inp.weight"), (.routerBias, "ffn_gate_inp.bias"), (.routerCorrection, "exp_probs_b.bias"),
    (.expertGate, "ffn_gate_exps.weight"), (.expertGateBias, "ffn_gate_exps.bias"),
    (.expertUp, "ffn_up_exps.weight"), (.expertUpBias, "ffn_up_exps.bias"),
    (.expertGateUp, "ffn_gate_up_exps.weight"),
    (.expertDown, "ffn_down_exps.weight"), (.expertDownBias, "ffn_down_exps.bias"),
    (.sharedExpertGate, "ffn_gate_shexp.weight"), (.sharedExpertUp, "ffn_up_shexp.weight"),
    (.sharedExpertDown, "ffn_down_shexp.weight"), (.sharedExpertRouter, "ffn_gate_inp_shexp.weight"),
    (.latentExpertDown, "ffn_latent_down.weight"), (.latentExpertUp, "ffn_latent_up.weight"),
  ]

  private static let perLayer: [(TensorRole, String)] = [
    (.perLayerGate, "inp_gate.weight"), (.perLayerOutput, "proj.weight"), (.perLayerPostNorm, "post_norm.weight"),
    (.layerScalar, "layer_output_scale.weight"),
    (.altupCorrection, "altup_correct_coef.weight"), (.altupCorrectionScale, "altup_correct_scale.weight"),
    (.altupPrediction, "altup_predict_coef.weight"), (.altupRouter, "altup_router.weight"),
    (.altupRouterNorm, "altup_router_norm.weight"), (.laurelLeft, "laurel_l.weight"),
    (.laurelRight, "laurel_r.weight"), (.laurelNorm, "laurel_post_norm.weight"),
  ]

  private static let recurrent: [(TensorRole, String)] = [
    (.recurrentInput, "ssm_in.weight"), (.recurrentConvolution, "ssm_conv1d.weight"),
    (.recurrentConvolutionBias, "ssm_conv1d.bias"), (.recurrentProjection, "ssm_x.weight"),
    (.recurrentTimeStep, "ssm_dt.weight"), (.recurrentTimeStepBias, "ssm_dt.bias"),
    (.recurrentDecay, "ssm_a"), (.recurrentSkip, "ssm_d"), (.recurrentGateNorm, "ssm_norm.weight"),
    (.recurrentOutput, "ssm_out.weight"), (.recurrentTimeStepNorm, "ssm_dt_norm.weight"),
    (.recurrentInputStateNorm, "ssm_b_norm.weight"), (.recurrentOutputStateNorm, "ssm_c_norm.weight"),
    (.recurrentAlpha, "ssm_alpha.weight"), (.recurrentBeta, "ssm_beta.weight"),
    (.recurrentBetaAlpha, "ssm_ba.weight"),
    (.shortConvolutionInput, "shortconv.in_proj.weight"), (.shortConvolution, "shortconv.conv.weight"),
    (.shortConvolutionOutput, "shortconv.out_proj.weight"),
  ]

  /// Names that files of some age or model use for a role with another usual name.
  private static let aliases: [(TensorRole, String)] = [
    (.attentionPostNorm, "attn_post_norm.weight"), (.feedForwardPostNorm, "ffn_post_norm.weight"),
    (.attentionSinks, "attn_sinks"), (.routerCorrection, "exp_probs_b"), (.routerCorrection, "exp_probs_b.weight"),
    (.recurrentDecay, "ssm_a.weight"), (.recurrentSkip, "ssm_d.weight"), (.attentionKeyNorm, "attn_key_norm.weight"),
    (.attentionQueryNorm, "attn_query_norm.weight"),
  ]
}

extension TensorDescription {
  /// The tensor's name in a GGUF file, or nil where GGUF has none.
  package var ggufName: String? { role.ggufName(layer: Int(layer)).map { $0 + part.ggufSuffix } }
}
