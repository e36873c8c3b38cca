// SPDX-License-Identifier: Apache-2.0

/// The sums `Σ w·JᵀJ` and `Σ w·Jᵀr` of a least-squares problem whose rows have few entries.
struct NormalEquations {
  private let count: Int
  /// Row-major; the lower triangle is used.
  private var matrix: [Double]
  private var gradient: [Double]

  init(count: Int) {
    self.count = count
    matrix = [Double](repeating: 0, count: count * count)
    gradient = [Double](repeating: 0, count: count)
  }

  mutating func add(_ row: [(index: Int, value: Double)], weight: Double, error: Double) {
    for left in row {
      let scaled = weight * left.value
      gradient[left.index] += scaled * error
      for right in row where right.index <= left.index {
        matrix[left.index * count + right.index] += scaled * right.value
      }
    }
  }

  mutating func add(_ index: Int, precision: Double, gradient slope: Double) {
    matrix[index * count + index] += precision
    gradient[index] += slope
  }

  /// The step `−(A + damping·diag A)⁻¹ g` by Cholesky's decomposition; nil when the matrix is not positive definite.
  func solution(damping: Double) -> [Double]? {
    var factor = matrix
    for row in 0..<count { factor[row * count + row] *= 1 + damping }
    for row in 0..<count {
      for column in 0...row {
        var sum = factor[row * count + column]
        for index in 0..<column { sum -= factor[row * count + index] * factor[column * count + index] }
        if row == column {
          guard sum > 0 else { return nil }
          factor[row * count + row] = sum.squareRoot()
        } else {
          factor[row * count + column] = sum / factor[column * count + column]
        }
      }
    }
    return substituted(factor)
  }

  private func substituted(_ factor: [Double]) -> [Double] {
    var result = gradient.map { -$0 }
    for row in 0..<count {
      for column in 0..<row { result[row] -= factor[row * count + column] * result[column] }
      result[row] /= factor[row * count + row]
    }
    for row in (0..<count).reversed() {
      for below in (row + 1)..<max(count, row + 1) { result[row] -= factor[below * count + row] * result[below] }
      result[row] /= factor[row * count + row]
    }
    return result
  }
}
