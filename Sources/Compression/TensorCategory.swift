// SPDX-License-Identifier: Apache-2.0
package import LanguageModel

/// How recipes tell tensors apart.
enum TensorCategory: UInt8, Sendable, CaseIterable {
  /// Never quantised: vectors, norms, biases, routers, convolutions, positions.
  case kept
  /// Not quantised either, but a matrix: stays in the 16 bits of the file that recipes start from.
  case float
  case embedding, head
  /// Values, and what holds them fused: query-key-value, the latent up-projection.
  case value
  case key, query, attentionOutput
  case up, gate, down
  /// Any other matrix.
  case matrix

  init(_ tensor: TensorDescription) {
    // An adapter stays in the precision it was trained in.
    self = tensor.isVector ? .kept : tensor.part.isAdapter ? .float : Self.of(tensor.role)
  }

  /// - Source: the substrings of names by which llama.cpp's src/llama-quant.cpp sorts tensors, and its list of what is
  ///   not quantised.
  private static func of(_ role: TensorRole) -> TensorCategory {
    switch role {
    case .tokenEmbedding, .perLayerEmbedding: .embedding
    case .outputHead: .head
    case .perLayerProjection: .float
    case .attentionValue, .attentionQKV, .latentKeyValueUp: .value
    case .attentionKey, .indexerKey: .key
    case .attentionQuery: .query
    case .attentionOutput: .attentionOutput
    case .feedForwardUp, .expertUp, .sharedExpertUp, .feedForwardGateUp: .up
    case .feedForwardGate, .expertGate, .sharedExpertGate, .expertGateUp, .sharedExpertRouter: .gate
    case .feedForwardDown, .expertDown, .sharedExpertDown: .down
    case .attentionGate, .latentQueryDown, .latentQueryUp, .latentKeyValueDown, .latentKeyUp, .latentValueUp,
      .indexerQueryUp, .indexerHeadWeights, .latentExpertDown, .latentExpertUp,
      .recurrentInput, .recurrentProjection, .recurrentTimeStep, .recurrentGate, .recurrentOutput, .recurrentAlpha,
      .recurrentBeta, .recurrentBetaAlpha, .shortConvolutionInput, .shortConvolutionOutput,
      .embeddingProjection, .outputProjection, .attentionOther, .feedForwardOther, .recurrentOther, .other:
      .matrix
    default: .kept
    }
  }
}

/// What a tensor's bytes are read for; sums by class are what memory and work are computed from.
package enum TensorClass: UInt8, Sendable, CaseIterable, Hashable {
  /// Tables of which a token reads one row (unless the head is tied to them).
  case embedding
  case outputHead
  case attention
  case feedForward
  /// Stacks of which a token reads the chosen matrices.
  case routedExperts
  case sharedExperts
  case recurrent
  /// Norms, biases, routers and anything else that is small or unknown.
  case other

  package init(_ role: TensorRole) {
    switch role {
    case .tokenEmbedding, .tokenTypeEmbedding, .positionEmbedding, .perLayerEmbedding: self = .embedding
    case .outputHead: self = .outputHead
    case .attentionQKV, .attentionQuery, .attentionKey, .attentionValue, .attentionOutput, .attentionGate,
      .latentQueryDown, .latentQueryUp, .latentKeyValueDown, .latentKeyValueUp, .latentKeyUp, .latentValueUp,
      .indexerQueryUp, .indexerKey, .indexerHeadWeights, .attentionOther:
      self = .attention
    case .feedForwardGate, .feedForwardUp, .feedForwardGateUp, .feedForwardDown, .feedForwardOther,
      .latentExpertDown, .latentExpertUp:
      self = .feedForward
    case .expertGate, .expertUp, .expertGateUp, .expertDown, .expertGateBias, .expertUpBias, .expertGateUpBias,
      .expertDownBias:
      self = .routedExperts
    case .sharedExpertGate, .sharedExpertUp, .sharedExpertDown: self = .sharedExperts
    case .recurrentInput, .recurrentConvolution, .recurrentProjection, .recurrentTimeStep, .recurrentGate,
      .recurrentOutput, .recurrentAlpha, .recurrentBeta, .recurrentBetaAlpha, .recurrentOther,
      .shortConvolutionInput, .shortConvolution, .shortConvolutionOutput:
      self = .recurrent
    default: self = .other
    }
  }
}
