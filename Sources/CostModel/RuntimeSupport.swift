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

  /// Whether the forward pass knows what to do with a tensor.
  package static func knows(_ tensor: TensorDescription) -> Bool {
    roles.contains(tensor.role) && tensor.part == .whole
  }

  package static func runs(_ modelType: String) -> Bool { modelTypes.contains(modelType) }
}
