// SPDX-License-Identifier: Apache-2.0
package import LanguageModel

extension LanguageModelDescription {
  /// The model with every matrix inside the layers replaced; stacks of experts, vectors and routers stay.
  func replacingMatrices(_ replace: (TensorDescription) -> [TensorDescription]) -> LanguageModelDescription {
    var result = self
    result.inventory = TensorInventory(
      tensors: inventory.tensors.flatMap { tensor in tensor.isLinearLayer ? replace(tensor) : [tensor] })
    return result
  }
}

extension TensorDescription {
  /// Whether it is a whole matrix of one layer that a token's state is multiplied by; stacks of experts are none.
  package var isLinearLayer: Bool {
    guard layer >= 0, copies == 1, part == .whole else { return false }
    switch TensorCategory(self) {
    case .kept, .float, .embedding, .head: return false
    default: return true
    }
  }

  private func thin(_ part: TensorPart, rows: Int, columns: Int, _ format: StorageFormat) -> TensorDescription {
    TensorDescription(role, layer: Int(layer), rows: rows, columns: columns, format: format, part: part)
  }

  /// The two matrices of an adapter of this one, in 16 bits.
  func adapter(rank: Int) -> [TensorDescription] {
    [
      thin(.adapterInner, rows: rank, columns: Int(columns), .f16),
      thin(.adapterOuter, rows: Int(rows), columns: rank, .f16),
    ]
  }

  /// Two factors with at most so many thousandths of this matrix's weights.
  ///
  ///     rank · (rows + columns) ≤ rows · columns · permille / 1000
  package func factors(keeping permille: Int) -> [TensorDescription] {
    let weights = Int(rows) * Int(columns) * permille / 1000
    let limit = max(1, weights / (Int(rows) + Int(columns)))
    // Whole blocks along the factors' rows, so that every format can store them.
    let step = [256, 32].first { limit >= $0 } ?? 1
    return factors(rank: limit / step * step)
  }

  /// Two factors of a rank.
  package func factors(rank: Int) -> [TensorDescription] {
    [thin(.inner, rows: rank, columns: Int(columns), format), thin(.outer, rows: Int(rows), columns: rank, format)]
  }
}
