// SPDX-License-Identifier: Apache-2.0
package import LanguageModel

/// What a forward pass consists of, in the order of a layer; the rows of a profile.
package enum PassOperator: String, Sendable, CaseIterable {
  case embedding, norm
  /// Queries, keys and values in one job; the down-projections of latent attention.
  case queryKeyValue = "query-key-value"
  /// Biases and norms of heads, rotation, and storing keys and values.
  case rotation
  /// The up-projections of latent attention, one product per head.
  case latent = "latent-products"
  case attention
  case attentionOutput = "attention-output"
  /// Scores and choice of experts, and the gathering and summing of what they give.
  case router
  case gateUp = "gate-up"
  case activation, down, residual, logits
  /// The products' inputs in the form that the kernels read.
  case conversion
  /// The first thread ready before the others.
  case waiting

  /// Reads weights or cached keys and values from memory; the others work on activations, which caches hold.
  package var readsMemory: Bool {
    switch self {
    case .queryKeyValue, .latent, .attention, .attentionOutput, .router, .gateUp, .down, .logits: true
    case .embedding, .norm, .rotation, .activation, .residual, .conversion, .waiting: false
    }
  }

  /// The operator that reads a tensor.
  package init(_ role: TensorRole) {
    switch role {
    case .tokenEmbedding, .tokenTypeEmbedding, .positionEmbedding, .perLayerEmbedding: self = .embedding
    case .outputHead, .outputHeadBias: self = .logits
    case .attentionQKV, .attentionQuery, .attentionKey, .attentionValue, .attentionGate, .latentQueryDown,
      .latentQueryUp, .latentKeyValueDown:
      self = .queryKeyValue
    case .latentKeyUp, .latentValueUp, .latentKeyValueUp: self = .latent
    case .attentionQKVBias, .attentionQueryBias, .attentionKeyBias, .attentionValueBias, .attentionQueryNorm,
      .attentionKeyNorm, .latentKeyValueNorm, .ropeFactors, .ropeFactorsLong, .ropeFactorsShort:
      self = .rotation
    case .attentionSinks: self = .attention
    case .attentionOutput, .attentionOutputBias: self = .attentionOutput
    case .router, .routerBias, .routerCorrection, .sharedExpertRouter: self = .router
    case .feedForwardGate, .feedForwardUp, .feedForwardGateUp, .expertGate, .expertUp, .expertGateUp,
      .sharedExpertGate, .sharedExpertUp:
      self = .gateUp
    case .feedForwardGateBias, .feedForwardUpBias, .expertGateBias, .expertUpBias: self = .activation
    case .feedForwardDown, .feedForwardDownBias, .expertDown, .expertDownBias, .sharedExpertDown: self = .down
    // Norms, and what the forward pass does not run.
    default: self = .norm
    }
  }
}
