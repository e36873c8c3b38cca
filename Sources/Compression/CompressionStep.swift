// SPDX-License-Identifier: Apache-2.0
package import LanguageModel

/// One change of a model: of its shapes, or of how all of its tensors are stored.
package enum CompressionStep: Hashable, Sendable {
  case structure(StructuralStep)
  /// Another, smaller model trained on this one's answers (distillation, arXiv 1503.02531).
  case student(model: String)
  /// A recipe of llama.cpp. The importance matrix counts only where the recipe depends on one.
  case mixture(GGUFMixture, hasImportanceMatrix: Bool)
  /// Every matrix in one GGUF type, embedding and head included.
  case uniform(BlockFormat)
  /// The matrices inside the layers in a format of the Hugging Face world; embedding, head, routers and vectors stay
  /// in 16 bits.
  case linearLayers(StorageFormat)

  /// The step as people write it.
  package var name: String {
    switch self {
    case .mixture(let mixture, let hasMatrix):
      mixture.dependsOnImportanceMatrix && hasMatrix ? "\(mixture.rawValue)-imatrix" : mixture.rawValue
    case .uniform(let format):
      GGUFMixture(rawValue: format.rawValue) == nil ? format.rawValue : "\(format.rawValue)-pure"
    case .linearLayers(let format): format.name
    case .structure(let step): step.name
    case .student(let model): "student:\(model)"
    }
  }
}
