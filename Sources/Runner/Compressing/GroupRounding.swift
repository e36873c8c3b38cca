// SPDX-License-Identifier: Apache-2.0
internal import Inference
internal import LanguageModel
internal import ModelFiles

/// Rounds each weight to the nearest integer of its group's grid.
struct NearestRounding: LayerMethod {
  let grid: GroupGrid

  var statistics: InputStatistics.Kind? { nil }
  var note: String { "rounded to the nearest" }

  func change(_ layer: inout FloatLayer, _ inputs: LayerInputs?, _ model: WorkingModel, _ pool: ThreadPool) throws {
    for place in layer.matrices { try layer.tensors[place].round(to: ClippedGrid(grid), layer.spool, pool) }
  }
}

extension FloatTensor {
  /// Rounds all rows; the values become what the integers stand for.
  mutating func round(to clipped: ClippedGrid, _ spool: Spool, _ pool: ThreadPool) throws {
    let grid = clipped.grid
    guard grid.fits(self) else { return }
    let packed = try GroupPacking(rows: rows, columns: columns, grid: grid, spool: spool)
    packing = packed
    nonisolated(unsafe) let start = pointer
    let columns = columns
    pool.forEachChunk(of: rows, grain: 16) { _, rows in
      let values = start + rows.lowerBound * columns
      let steps = clipped.steps(values, rows: rows.count, columns: columns)
      for row in rows {
        for group in 0..<packed.groups {
          packed.set(steps[(row - rows.lowerBound) * packed.groups + group], row: row, group: group)
        }
      }
      for index in 0..<rows.count * columns {
        let code = grid.code(values[index], steps[index / grid.group])
        packed.codes[rows.lowerBound * columns + index] = UInt8(code)
        values[index] = grid.value(code, steps[index / grid.group])
      }
    }
  }
}

/// GPTQ: rounds a row's weights one after another and lets those that follow make up for each error.
///
/// - Source: Frantar et al., arXiv 2210.17323: H = Σ x·xᵀ with a share of its mean diagonal added; the upper Cholesky
///   factor of H⁻¹ says what a following weight takes of an error.
struct SecondOrderRounding: LayerMethod {
  let grid: GroupGrid
  /// Takes the columns with the largest inputs first (act-order).
  let ordersColumns: Bool

  var statistics: InputStatistics.Kind? { .products }
  var note: String { "gptq\(ordersColumns ? " with act-order" : "")" }

  static let damping: Float = 0.01

  func change(_ layer: inout FloatLayer, _ inputs: LayerInputs?, _ model: WorkingModel, _ pool: ThreadPool) throws {
    // Matrices that read the same vector share its factor.
    var factors: [ObjectIdentifier: ErrorFactor] = [:]
    for place in layer.matrices where grid.fits(layer.tensors[place]) {
      guard let found = inputs?[place] else {
        throw CompressorError.notCalibrated(tensor: layer.tensors[place].name)
      }
      let key = ObjectIdentifier(found)
      let factor =
        try factors[key] ?? ErrorFactor(found, ordersColumns: ordersColumns, tensor: layer.tensors[place].name)
      factors[key] = factor
      try round(&layer.tensors[place], factor, layer.spool, pool)
    }
  }

  private func round(_ tensor: inout FloatTensor, _ factor: ErrorFactor, _ spool: Spool, _ pool: ThreadPool) throws {
    var packing = try GroupPacking(rows: tensor.rows, columns: tensor.columns, grid: grid, spool: spool)
    if ordersColumns {
      var groups = [Int32](repeating: 0, count: tensor.columns)
      for (place, column) in factor.order.enumerated() { groups[column] = Int32(place / grid.group) }
      packing.groupOfColumn = groups
    }
    tensor.packing = packing
    nonisolated(unsafe) let start = tensor.pointer
    let columns = tensor.columns
    let packed = packing
    pool.forEachChunk(of: tensor.rows, grain: 4) { _, rows in
      withUnsafeTemporaryAllocation(of: Float.self, capacity: columns) { room in
        guard let work = room.baseAddress else { return }
        for row in rows { round(row, start + row * columns, work, factor, packed) }
      }
    }
  }

  private func round(
    _ row: Int, _ values: UnsafeMutablePointer<Float>, _ work: UnsafeMutablePointer<Float>, _ factor: ErrorFactor,
    _ packing: GroupPacking
  ) {
    let columns = packing.columns
    for (place, column) in factor.order.enumerated() { work[place] = factor.isDead[column] ? 0 : values[column] }
    var step = GroupGrid.Step(scale: 1, zero: 0)
    factor.upper.withUnsafeBufferPointer { upper in
      factor.weights.withUnsafeBufferPointer { weights in
        guard let upper = upper.baseAddress, let weights = weights.baseAddress else { return }
        for place in 0..<columns {
          if place % grid.group == 0 {
            step = grid.fit(work + place, weights: weights + place)
            packing.set(step, row: row, group: place / grid.group)
          }
          let code = grid.code(work[place], step)
          let share = upper + place * columns
          let error = (work[place] - grid.value(code, step)) / share[place]
          for next in place + 1..<max(place + 1, columns) { work[next] -= error * share[next] }
          let column = factor.order[place]
          packing.codes[row * columns + column] = UInt8(code)
          values[column] = grid.value(code, step)
        }
      }
    }
  }
}

/// What the weights after one take of its error.
private struct ErrorFactor {
  /// Columns in the order in which they are rounded.
  let order: [Int]
  /// Columns whose input was never anything but 0.
  let isDead: [Bool]
  /// U with H⁻¹ = Uᵀ·U, in that order.
  let upper: [Float]
  /// The mean squares of the inputs, in that order.
  let weights: [Float]

  init(_ inputs: InputStatistics, ordersColumns: Bool, tensor: String) throws {
    guard let algebra = LinearAlgebra.shared else { throw CompressorError.noLinearAlgebra }
    let count = inputs.columns
    let squares = inputs.meanSquares
    isDead = squares.map { $0 == 0 }
    let places = Array(0..<count)
    let order = ordersColumns ? places.sorted { (squares[$0], $1) > (squares[$1], $0) } : places
    self.order = order
    weights = order.map { squares[$0] }
    var share = SecondOrderRounding.damping
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
