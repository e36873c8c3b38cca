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
/// - Source: Frantar et al., arXiv 2210.17323.
struct SecondOrderRounding: LayerMethod {
  let grid: GroupGrid
  /// Takes the columns with the largest inputs first (act-order).
  let ordersColumns: Bool

  var statistics: InputStatistics.Kind? { .products }
  var note: String { "gptq\(ordersColumns ? " with act-order" : "")" }

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
