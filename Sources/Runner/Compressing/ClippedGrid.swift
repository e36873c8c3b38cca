// SPDX-License-Identifier: Apache-2.0
internal import Inference

/// A grid that spans each group's range, or a share of it: the one whose rounded group gives the least error.
struct ClippedGrid: Sendable {
  let grid: GroupGrid
  /// Shares of the range that are tried.
  private let shares: [Float]
  /// Σ x·xᵀ of the inputs within each group: (groups, group, group).
  private let blocks: [[Float]]

  /// Spans all of every range.
  init(_ grid: GroupGrid) {
    self.grid = grid
    shares = [1]
    blocks = []
  }

  /// - Parameters:
  ///   - products: Σ x·xᵀ of the inputs (columns, columns).
  ///   - scales: what the inputs are divided by.
  init(_ grid: GroupGrid, shares: [Float], products: [Float], dividedBy scales: [Float]) {
    self.grid = grid
    self.shares = shares
    let columns = scales.count
    blocks = stride(from: 0, to: columns, by: grid.group).map { first in
      let places = first..<min(first + grid.group, columns)
      return places.flatMap { row in
        places.map { products[row * columns + $0] / (scales[row] * scales[$0]) }
      }
    }
  }

  /// The step of each group: (rows, groups).
  ///
  /// - Source: clipping by search as AWQ does, arXiv 2306.00978: the error of a group is that of what it adds to the
  ///   output, δ · (Σ x·xᵀ) · δᵀ. A clipped weight is always off to the same side, so that errors by column alone mislead.
  func steps(_ values: UnsafePointer<Float>, rows: Int, columns: Int) -> [GroupGrid.Step] {
    let groups = columns / grid.group
    var steps: [GroupGrid.Step] = []
    steps.reserveCapacity(rows * groups)
    for row in 0..<rows {
      for group in 0..<groups { steps.append(grid.fit(values + row * columns + group * grid.group, share: 1)) }
    }
    guard shares.count > 1, let algebra = LinearAlgebra.shared else { return steps }
    for group in 0..<groups {
      let start = values + group * grid.group
      let best = best(start, rows: rows, columns: columns, blocks[group], algebra)
      for row in 0..<rows { steps[row * groups + group] = best[row] }
    }
    return steps
  }

  /// The steps of one group of columns, by row.
  private func best(
    _ values: UnsafePointer<Float>, rows: Int, columns: Int, _ block: [Float], _ algebra: LinearAlgebra
  ) -> [GroupGrid.Step] {
    var best: [GroupGrid.Step] = []
    var least: [Float] = []
    var misses = [Float](repeating: 0, count: rows * grid.group)
    for share in shares {
      let steps = (0..<rows).map { grid.fit(values + $0 * columns, share: share) }
      for row in 0..<rows {
        let (line, step) = (values + row * columns, steps[row])
        for index in 0..<grid.group {
          misses[row * grid.group + index] = grid.rounded(line[index], step) - line[index]
        }
      }
      let errors = algebra.quadraticForms(misses, block, rows: rows, columns: grid.group)
      guard !best.isEmpty else {
        (best, least) = (steps, errors)
        continue
      }
      for row in 0..<rows where errors[row] < least[row] { (best[row], least[row]) = (steps[row], errors[row]) }
    }
    return best
  }
}

extension LinearAlgebra {
  /// δ · products · δᵀ of each row δ.
  ///
  /// - Shapes: vectors (rows, columns), products (columns, columns).
  func quadraticForms(_ vectors: [Float], _ products: [Float], rows: Int, columns: Int) -> [Float] {
    var through = [Float](repeating: 0, count: vectors.count)
    multiply(vectors, products, rows: rows, inner: columns, columns: columns, into: &through)
    return (0..<rows).map { row in
      var sum: Float = 0
      for index in row * columns..<(row + 1) * columns { sum += vectors[index] * through[index] }
      return sum
    }
  }
}
