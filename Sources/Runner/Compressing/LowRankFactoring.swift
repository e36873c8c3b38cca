// SPDX-License-Identifier: Apache-2.0
internal import Compression
internal import Inference
internal import LanguageModel
internal import ModelFiles

/// Replaces each matrix by the product of two thin ones.
///
/// Without a text the product is the nearest of its rank to the matrix; with one, what it gives is nearest to what the
/// matrix gives for the text's inputs: W·S is decomposed, where S·Sᵀ = Σ x·xᵀ, and S⁻¹ is multiplied back (SVD-LLM, arXiv
/// 2403.07378).
struct LowRankFactoring: LayerMethod {
  let permille: Int
  let readsText: Bool

  var statistics: InputStatistics.Kind? { readsText ? .products : nil }
  var note: String { "factors by \(readsText ? "whitened" : "plain") singular values" }

  func change(_ layer: inout FloatLayer, _ inputs: LayerInputs?, _ model: WorkingModel, _ pool: ThreadPool) throws {
    var tensors: [FloatTensor] = []
    let matrices = Set(layer.matrices)
    for (place, tensor) in layer.tensors.enumerated() {
      guard matrices.contains(place) else {
        tensors.append(tensor)
        continue
      }
      tensors += try factors(of: tensor, inputs?[place], layer.spool)
    }
    layer.tensors = tensors
  }

  private func factors(
    of tensor: FloatTensor, _ inputs: InputStatistics?, _ spool: Spool
  ) throws -> [FloatTensor] {
    guard let algebra = LinearAlgebra.shared else { throw CompressorError.noLinearAlgebra }
    let (rows, columns) = (tensor.rows, tensor.columns)
    let whitening = try inputs.map { try Whitening($0, tensor: tensor.name) }
    if readsText, whitening == nil { throw CompressorError.notCalibrated(tensor: tensor.name) }
    var matrix = [Float](tensor.values)
    if let whitening {
      algebra.multiply(
        tensor.pointer, whitening.upper, isTransposed: true, rows: rows, inner: columns, columns: columns,
        into: &matrix)
    }
    guard let parts = algebra.singularValues(&matrix, rows: rows, columns: columns) else {
      throw CompressorError.notDecomposed(tensor: tensor.name)
    }
    let descriptions = tensor.description.factors(keeping: permille)
    let rank = min(Int(descriptions[0].rows), parts.values.count)
    let (inner, outer) = (
      try spool.allocate(floats: rank * columns), try spool.allocate(floats: rows * rank)
    )
    for place in 0..<rank {
      let root = max(0, parts.values[place]).squareRoot()
      for column in 0..<columns { inner[place * columns + column] = parts.v[place * columns + column] * root }
      for row in 0..<rows { outer[row * rank + place] = parts.u[row * parts.values.count + place] * root }
    }
    if let whitening, let address = inner.baseAddress {
      algebra.divide(address, rows: rank, columns: columns, byTransposed: whitening.upper)
    }
    return zip(tensor.description.factors(rank: rank), [inner, outer]).map { description, values in
      FloatTensor(description: description, name: tensor.name + description.part.ggufSuffix, values: values)
    }
  }
}

/// U of Σ x·xᵀ / tokens + a little of its mean diagonal = Uᵀ·U.
struct Whitening {
  /// (columns, columns), zero below the diagonal.
  let upper: [Float]

  /// - Throws: `CompressorError.notDecomposed`.
  init(_ inputs: InputStatistics, tensor: String, damping: Float = 1e-4) throws {
    guard let algebra = LinearAlgebra.shared else { throw CompressorError.noLinearAlgebra }
    let count = inputs.columns
    var share = damping
    // A text of few tokens leaves directions unseen: more damping until the factor exists.
    for _ in 0..<4 {
      var matrix = inputs.damped(by: share)
      if algebra.factor(&matrix, count: count) {
        for row in 1..<max(1, count) { for column in 0..<row { matrix[row * count + column] = 0 } }
        upper = matrix
        return
      }
      share *= 10
    }
    throw CompressorError.notDecomposed(tensor: tensor)
  }
}

extension InputStatistics {
  /// The mean products with a share of their mean diagonal added to each element of it.
  func damped(by share: Float) -> [Float] {
    let scale = 1 / Float(max(1, tokens))
    var matrix = products.map { $0 * scale }
    let mean = (0..<columns).reduce(Float(0)) { $0 + matrix[$1 * columns + $1] } / Float(max(1, columns))
    for place in 0..<columns { matrix[place * columns + place] += max(share * mean, .leastNormalMagnitude) }
    return matrix
  }
}
