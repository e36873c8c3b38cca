// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import Inference
internal import LanguageModel
internal import ModelFiles

/// AWQ: multiplies the columns that read large inputs before they are rounded, and divides what feeds them by the same.
///
/// - Source: Lin et al., arXiv 2306.00978: scales (root mean square)^ratio, the ratio by search; here the error is that of
///   each matrix's own output, from Σ x·xᵀ.
struct ActivationAwareScaling: LayerMethod {
  let grid: GroupGrid

  var statistics: InputStatistics.Kind? { .products }
  var note: String { "awq" }

  private static let ratios = 20
  /// Rows whose error is looked at.
  private static let sampledRows = 256

  func change(_ layer: inout FloatLayer, _ inputs: LayerInputs?, _ model: WorkingModel, _ pool: ThreadPool) throws {
    var squares: [Int: [Float]] = [:]
    for place in layer.matrices {
      guard let found = inputs?[place] else { throw CompressorError.notCalibrated(tensor: layer.tensors[place].name) }
      squares[place] = found.meanSquares
    }
    for fold in ScaleFold.all(of: layer, model) {
      guard let first = fold.readers.first, let found = inputs?[first] else { continue }
      let scales = try scales(fold.readers.map { layer.tensors[$0] }, found)
      fold.apply(scales, to: layer, normOffset: Float(model.architecture.forward.normOffset))
      for reader in fold.readers {
        squares[reader] = squares[reader].map { zip($0, scales).map { $0 / ($1 * $1) } }
      }
    }
    for place in layer.matrices {
      try layer.tensors[place].round(to: grid, weights: squares[place], layer.spool, pool)
    }
  }

  /// The scales with the least error over all matrices that read the same vector.
  private func scales(_ tensors: [FloatTensor], _ inputs: InputStatistics) throws -> [Float] {
    let products = inputs.symmetric
    let roots = inputs.meanSquares.map { max($0.squareRoot(), 1e-4) }
    var best = (scales: roots.map { _ in Float(1) }, error: Float.infinity)
    for step in 0..<Self.ratios {
      let scales = Self.normalised(roots, ratio: Float(step) / Float(Self.ratios))
      var error: Float = 0
      for tensor in tensors { error += try self.error(tensor, scales, products) }
      if error < best.error { best = (scales, error) }
    }
    return best.scales
  }

  /// (root)^ratio, with the geometric mean of the largest and the smallest brought to 1.
  private static func normalised(_ roots: [Float], ratio: Float) -> [Float] {
    let powers = roots.map { powf($0, ratio) }
    let middle = ((powers.max() ?? 1) * (powers.min() ?? 1)).squareRoot()
    return powers.map { $0 / max(middle, .leastNormalMagnitude) }
  }

  /// Σ over some rows of δ · (Σ x·xᵀ) · δᵀ, δ being what rounding changes in a row.
  private func error(_ tensor: FloatTensor, _ scales: [Float], _ products: [Float]) throws -> Float {
    guard let algebra = LinearAlgebra.shared else { throw CompressorError.noLinearAlgebra }
    let columns = tensor.columns
    let rows = Array(stride(from: 0, to: tensor.rows, by: max(1, tensor.rows / Self.sampledRows)))
    var misses = [Float](repeating: 0, count: rows.count * columns)
    var scaled = [Float](repeating: 0, count: columns)
    for (place, row) in rows.enumerated() {
      let values = tensor.row(row)
      for column in 0..<columns { scaled[column] = values[column] * scales[column] }
      for first in stride(from: 0, to: columns, by: grid.group) {
        let step = scaled.withUnsafeBufferPointer { buffer in
          buffer.baseAddress.map { grid.fit($0 + first, min(grid.group, columns - first), weights: nil) }
        }
        guard let step else { continue }
        for column in first..<min(first + grid.group, columns) {
          let rounded = grid.value(grid.code(scaled[column], step), step)
          misses[place * columns + column] = (rounded - scaled[column]) / scales[column]
        }
      }
    }
    var through = [Float](repeating: 0, count: misses.count)
    algebra.multiply(
      misses, products, rows: rows.count, inner: columns, columns: columns, into: &through)
    return zip(misses, through).reduce(0) { $0 + $1.0 * $1.1 }
  }
}

extension InputStatistics {
  /// The mean products, both triangles.
  var symmetric: [Float] {
    let scale = 1 / Float(max(1, tokens))
    var matrix = products
    for row in 0..<columns {
      for column in row..<columns {
        matrix[row * columns + column] *= scale
        matrix[column * columns + row] = matrix[row * columns + column]
      }
    }
    return matrix
  }
}

/// Matrices that read one vector, and what their columns' scales are taken from.
struct ScaleFold {
  /// Places in the layer's tensors.
  let readers: [Int]
  /// A norm's weights and biases, or a matrix (with its bias) whose outputs the readers read unchanged.
  let givers: [Int]

  /// Only where nothing else reads the same vector.
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
    return folds.filter { fold in
      guard let reader = fold.readers.first, let giver = fold.givers.first else { return false }
      let tensor = layer.tensors[giver]
      return (tensor.description.isVector ? tensor.columns : tensor.rows) == layer.tensors[reader].columns
    }
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
