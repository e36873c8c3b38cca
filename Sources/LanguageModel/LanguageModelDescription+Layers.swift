// SPDX-License-Identifier: Apache-2.0

extension LanguageModelDescription {
  /// The model with some of its layers only, in the given order and numbered anew.
  ///
  /// - Precondition: every index names a layer, none twice.
  package func keepingLayers(_ kept: [Int]) -> LanguageModelDescription {
    var result = self
    result.architecture.layers = kept.map { architecture.layers[$0] }
    result.inventory = inventory.keepingLayers(kept)
    return result
  }
}

extension TensorInventory {
  fileprivate func keepingLayers(_ kept: [Int]) -> TensorInventory {
    let places = Dictionary(uniqueKeysWithValues: kept.enumerated().map { (Int16($1), Int16($0)) })
    return TensorInventory(
      tensors: tensors.compactMap { tensor in
        guard tensor.layer >= 0 else { return tensor }
        guard let place = places[tensor.layer] else { return nil }
        var moved = tensor
        moved.layer = place
        return moved
      })
  }
}
