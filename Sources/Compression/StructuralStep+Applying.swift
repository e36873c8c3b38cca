// SPDX-License-Identifier: Apache-2.0
internal import LanguageModel

extension StructuralStep {
  /// The model after this step.
  ///
  /// - Throws: `CompressionError.notApplicable` for a model whose shapes do not allow it.
  func applied(to model: LanguageModelDescription) throws(CompressionError) -> LanguageModelDescription {
    switch self {
    case .depth(let removed): try shallower(model, by: removed)
    case .width(let permille): try narrower(model, keeping: 1000 - permille)
    case .mergedAdapter: model
    case .adapter(let rank): model.replacingMatrices { [$0] + $0.adapter(rank: rank) }
    case .lowRank(let permille): model.replacingMatrices { $0.factors(keeping: permille) }
    }
  }

  private func refusal(_ model: LanguageModelDescription, _ reason: String) -> CompressionError {
    .notApplicable(step: name, model: model.name, reason: reason)
  }

  /// Without the block of layers that ends before the last one.
  ///
  /// - Source: Gromov et al., arXiv 2403.17887: the deepest layers but the last change their input least. Where all
  ///   layers are alike the sizes do not depend on the choice.
  private func shallower(
    _ model: LanguageModelDescription, by removed: Int
  ) throws(CompressionError) -> LanguageModelDescription {
    let count = model.architecture.layers.count
    guard removed <= count - 2 else {
      throw refusal(model, "it has \(count) layers, and the first and the last stay")
    }
    return model.keepingLayers(Array(0..<count - 1 - removed) + [count - 1])
  }

  /// With fewer heads and feed-forward channels in the layers from the fifth to the fifth from the end.
  private func narrower(
    _ model: LanguageModelDescription, keeping permille: Int
  ) throws(CompressionError) -> LanguageModelDescription {
    let narrowed = try NarrowedLayer.layers(of: model, keeping: permille)
    var result = model
    for (index, layer) in narrowed { result.architecture.layers[index] = layer.after }
    for index in result.inventory.tensors.indices {
      narrowed[Int(result.inventory.tensors[index].layer)]?.narrow(&result.inventory.tensors[index])
    }
    return result
  }
}
