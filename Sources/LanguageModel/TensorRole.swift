// SPDX-License-Identifier: Apache-2.0

/// What a tensor does in the model; together with its layer it gives the tensor's name.
package enum TensorRole: UInt8, Sendable, CaseIterable, Hashable {
  // Outside the layers.
  case tokenEmbedding, tokenTypeEmbedding, positionEmbedding, embeddingNorm, embeddingNormBias
  case perLayerEmbedding, perLayerProjection, perLayerProjectionNorm
  /// The way of a per-layer embedding into its layer, and a layer's scalar (Gemma 3n and 4).
  case perLayerGate, perLayerOutput, perLayerPostNorm, layerScalar
  /// The parallel streams of Gemma 3n (AltUp) and its low-rank residual (LAuReL).
  case altupProjection, altupUnembedding, altupCorrection, altupCorrectionScale, altupPrediction, altupRouter
  case altupRouterNorm, laurelLeft, laurelRight, laurelNorm
  /// The parallel residual streams of DeepSeek-V4 (hyper-connections).
  case hyperConnection
  case outputNorm, outputNormBias, outputHead, outputHeadBias
  /// Rotary tables: constants that a file may hold, never parameters.
  case ropeFactors, ropeFactorsLong, ropeFactorsShort
  /// Between an embedding of another width and the layers (OPT-350M).
  case embeddingProjection, outputProjection

  // Attention.
  case attentionNorm, attentionNormBias, attentionNorm2, attentionNorm2Bias, attentionPostNorm
  case attentionQKV, attentionQKVBias
  case attentionQuery, attentionQueryBias, attentionKey, attentionKeyBias, attentionValue, attentionValueBias
  case attentionOutput, attentionOutputBias, attentionGate
  case attentionQueryNorm, attentionQueryNormBias, attentionKeyNorm, attentionKeyNormBias
  case attentionSubNorm, attentionSinks
  // Multi-head latent attention.
  case latentQueryDown, latentQueryNorm, latentQueryUp, latentKeyValueDown, latentKeyValueNorm, latentKeyValueUp
  /// The up-projection in two stacks of one matrix per head, the key part transposed, as GGUF files hold it.
  case latentKeyUp, latentValueUp
  /// The chooser of positions in sparse attention (DeepSeek-V3.2).
  case indexerQueryUp, indexerKey, indexerKeyNorm, indexerKeyNormBias, indexerHeadWeights
  /// Any other tensor of an attention part.
  case attentionOther

  // Feed-forward.
  case feedForwardNorm, feedForwardNormBias, feedForwardPostNorm, feedForwardSubNorm, feedForwardOther
  case feedForwardGate, feedForwardGateBias, feedForwardUp, feedForwardUpBias
  case feedForwardGateUp, feedForwardDown, feedForwardDownBias
  // Mixture of experts: stacks of matrices, one per expert.
  case router, routerBias, routerCorrection
  case expertGate, expertGateBias, expertUp, expertUpBias, expertGateUp, expertGateUpBias, expertDown, expertDownBias
  case sharedExpertGate, sharedExpertUp, sharedExpertDown, sharedExpertRouter
  case latentExpertDown, latentExpertUp, latentExpertNorm

  // State-space, linear-attention, recurrent and convolution mixers.
  case recurrentNorm, recurrentInput, recurrentInputBias, recurrentConvolution, recurrentConvolutionBias
  case recurrentProjection, recurrentTimeStep, recurrentTimeStepBias, recurrentDecay, recurrentSkip
  case recurrentGate, recurrentGateNorm, recurrentOutput, recurrentOutputBias
  case recurrentTimeStepNorm, recurrentInputStateNorm, recurrentOutputStateNorm
  case recurrentAlpha, recurrentBeta, recurrentBetaAlpha
  case shortConvolutionInput, shortConvolution, shortConvolutionOutput
  case recurrentOther

  /// A table that modelling code saved beside what it learnt: causal masks, frequencies of a rotation.
  case savedConstant
  /// Any tensor that no other role names; its own name is kept by the inventory.
  case other

  /// Not a learnt number: left out of parameter counts.
  package var isConstant: Bool {
    switch self {
    case .ropeFactors, .ropeFactorsLong, .ropeFactorsShort, .savedConstant: true
    default: false
    }
  }

  /// A stack with one matrix per routed expert, of which a token visits a few.
  package var isRoutedExpert: Bool {
    switch self {
    case .expertGate, .expertGateBias, .expertUp, .expertUpBias, .expertGateUp, .expertGateUpBias, .expertDown,
      .expertDownBias:
      true
    default: false
    }
  }

  /// The bias that goes with a norm, where there is one.
  var bias: TensorRole? {
    switch self {
    case .embeddingNorm: .embeddingNormBias
    case .outputNorm: .outputNormBias
    case .attentionNorm: .attentionNormBias
    case .attentionNorm2: .attentionNorm2Bias
    case .feedForwardNorm: .feedForwardNormBias
    default: nil
    }
  }
}
