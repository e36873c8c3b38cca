// SPDX-License-Identifier: Apache-2.0
package import LanguageModel

/// What the built-in runtime can run, known without loading it.
package enum RuntimeSupport {
  package static let modelTypes: Set<String> = ["llama", "mistral", "qwen2", "ministral3"]

  /// Tensors that the forward pass knows.
  package static let roles: Set<TensorRole> = [
    .tokenEmbedding, .outputHead, .outputNorm, .ropeFactors, .attentionNorm, .attentionQuery, .attentionQueryBias,
    .attentionKey,
    .attentionKeyBias, .attentionValue, .attentionValueBias, .attentionOutput, .feedForwardNorm, .feedForwardGate,
    .feedForwardUp, .feedForwardDown,
  ]

  package static func runs(_ modelType: String) -> Bool { modelTypes.contains(modelType) }
}
