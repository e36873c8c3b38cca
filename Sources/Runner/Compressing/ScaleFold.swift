// SPDX-License-Identifier: Apache-2.0
internal import LanguageModel

/// Matrices that read one vector, and what their columns' scales are taken from.
struct ScaleFold {
  /// Places in the layer's tensors.
  let readers: [Int]
  /// A norm's weights and biases, or a matrix (with its bias) whose outputs the readers read unchanged.
  let givers: [Int]

  /// All matrices of a layer; what feeds them only where nothing else reads the same vector.
  static func all(of layer: FloatLayer, _ model: WorkingModel) -> [ScaleFold] {
    func places(_ roles: [TensorRole]) -> [Int] { roles.compactMap { layer.place(of: $0) } }
    var folds: [ScaleFold] = []
    let known: Set<TensorRole> = [
      .attentionQuery, .attentionKey, .attentionValue, .attentionQKV, .attentionOutput, .feedForwardGate,
      .feedForwardUp, .feedForwardGateUp, .feedForwardDown,
    ]
    let isPlain = layer.matrices.allSatisfy { known.contains(layer.tensors[$0].role) }
    if isPlain, model.architecture.forward.residual != .parallel {
      folds.append(
        ScaleFold(
          readers: places([.attentionQuery, .attentionKey, .attentionValue, .attentionQKV]),
          givers: places([.attentionNorm, .attentionNormBias])))
      folds.append(
        ScaleFold(
          readers: places([.feedForwardGate, .feedForwardUp, .feedForwardGateUp]),
          givers: places([.feedForwardNorm, .feedForwardNormBias])))
    }
    // act(gate) · up: whatever divides the rows of up divides the input of down.
    if layer.place(of: .feedForwardGate) != nil {
      folds.append(
        ScaleFold(readers: places([.feedForwardDown]), givers: places([.feedForwardUp, .feedForwardUpBias])))
    }
    if case .attention(let shape) = layer.shape.mixers.first, shape.heads == shape.keyValueHeads {
      folds.append(
        ScaleFold(readers: places([.attentionOutput]), givers: places([.attentionValue, .attentionValueBias])))
    }
    folds = folds.filter { fold in
      guard let reader = fold.readers.first, let giver = fold.givers.first else { return false }
      let tensor = layer.tensors[giver]
      return (tensor.description.isVector ? tensor.columns : tensor.rows) == layer.tensors[reader].columns
    }
    let found = Set(folds.flatMap(\.readers))
    return folds + layer.matrices.filter { !found.contains($0) }.map { ScaleFold(readers: [$0], givers: []) }
  }

  func apply(_ scales: [Float], to layer: FloatLayer, normOffset: Float) {
    for reader in readers {
      let tensor = layer.tensors[reader]
      for row in 0..<tensor.rows {
        let values = tensor.row(row)
        for column in 0..<tensor.columns { values[column] *= scales[column] }
      }
    }
    for giver in givers {
      let tensor = layer.tensors[giver]
      if tensor.description.isVector {
        let isNorm = tensor.role == .attentionNorm || tensor.role == .feedForwardNorm
        let offset = isNorm ? normOffset : 0
        for place in 0..<tensor.columns {
          tensor.values[place] = (tensor.values[place] + offset) / scales[place] - offset
        }
      } else {
        for row in 0..<tensor.rows {
          let values = tensor.row(row)
          for column in 0..<tensor.columns { values[column] /= scales[row] }
        }
      }
    }
  }
}
