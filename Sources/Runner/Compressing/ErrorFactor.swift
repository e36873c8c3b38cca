// SPDX-License-Identifier: Apache-2.0
internal import Inference

/// What the weights after one take of its error.
///
/// - Source: GPTQ, arXiv 2210.17323: H = Σ x·xᵀ with a share of its mean diagonal added; the upper Cholesky factor of
///   H⁻¹ says what a following weight takes of an error.
struct ErrorFactor {
  /// Columns in the order in which they are settled.
  let order: [Int]
  /// Columns whose input was never anything but 0.
  let isDead: [Bool]
  /// U with H⁻¹ = Uᵀ·U, in that order.
  let upper: [Float]
  /// The mean squares of the inputs, in that order.
  let weights: [Float]

  static let damping: Float = 0.01

  /// - Throws: `CompressorError.noLinearAlgebra`; `.notDecomposed` when the inputs say too little.
  init(_ inputs: InputStatistics, ordersColumns: Bool, tensor: String) throws {
    guard let algebra = LinearAlgebra.shared else { throw CompressorError.noLinearAlgebra }
    let count = inputs.columns
    let squares = inputs.meanSquares
    isDead = squares.map { $0 == 0 }
    let places = Array(0..<count)
    let order = ordersColumns ? places.sorted { (squares[$0], $1) > (squares[$1], $0) } : places
    self.order = order
    weights = order.map { squares[$0] }
    var share = Self.damping
    for _ in 0..<4 {
      let damped = inputs.damped(by: share)
      var matrix = [Float](repeating: 0, count: count * count)
      for row in 0..<count {
        for column in row..<count {
          let (a, b) = (order[row], order[column])
          matrix[row * count + column] = damped[min(a, b) * count + max(a, b)]
        }
      }
      for place in 0..<count where isDead[order[place]] { matrix[place * count + place] = 1 }
      if algebra.factor(&matrix, count: count), algebra.invertFactored(&matrix, count: count),
        algebra.factor(&matrix, count: count)
      {
        upper = matrix
        return
      }
      share *= 10
    }
    throw CompressorError.notDecomposed(tensor: tensor)
  }
}
