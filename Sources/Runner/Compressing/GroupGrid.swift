// SPDX-License-Identifier: Apache-2.0
internal import ModelFiles

/// Integers with a scale and a zero point for each group of neighbouring inputs: w ≈ (q − zero) · scale.
struct GroupGrid: Sendable {
  let bits: Int
  let group: Int
  /// Layouts that store the zero point less one cannot store 0.
  let leastZero: Int

  struct Step {
    /// Exact in 16 bits.
    var scale: Float
    var zero: Int
  }

  var top: Int { 1 << bits - 1 }

  /// Whether a matrix is whole groups of inputs and whole 32-bit words of outputs; others stay in 16 bits.
  func fits(_ tensor: FloatTensor) -> Bool { tensor.columns % group == 0 && tensor.rows * bits % 32 == 0 }

  /// The step that spans a share of the range of a group's values and 0.
  func fit(_ values: UnsafePointer<Float>, share: Float) -> Step {
    let (low, high) = range(values)
    return step(low * share, high * share)
  }

  /// The step whose weighted squared error is least, of shares of the range down to half of it.
  func fit(_ values: UnsafePointer<Float>, weights: UnsafePointer<Float>) -> Step {
    let (low, high) = range(values)
    let full = step(low, high)
    var best = (step: full, error: error(values, weights, full))
    for clip in stride(from: Float(0.95), to: 0.5, by: -0.05) {
      let candidate = step(low * clip, high * clip)
      let error = error(values, weights, candidate)
      if error < best.error { best = (candidate, error) }
    }
    return best.step
  }

  private func range(_ values: UnsafePointer<Float>) -> (low: Float, high: Float) {
    var (low, high) = (Float(0), Float(0))
    for index in 0..<group {
      low = min(low, values[index])
      high = max(high, values[index])
    }
    return (low, high)
  }

  private func step(_ low: Float, _ high: Float) -> Step {
    let width = (high - low) / Float(top)
    let scale = Float(Float16(width))
    guard scale > 0, scale.isFinite else {
      return Step(scale: width > 0 ? Float(Float16.leastNormalMagnitude) : 1, zero: leastZero)
    }
    return Step(scale: scale, zero: max(leastZero, min(top, Int((-low / scale).rounded()))))
  }

  private func error(_ values: UnsafePointer<Float>, _ weights: UnsafePointer<Float>, _ step: Step) -> Float {
    var sum: Float = 0
    for index in 0..<group {
      let miss = values[index] - rounded(values[index], step)
      sum += miss * miss * weights[index]
    }
    return sum
  }

  func code(_ value: Float, _ step: Step) -> Int {
    max(0, min(top, Int((value / step.scale).rounded(.toNearestOrEven)) + step.zero))
  }

  func value(_ code: Int, _ step: Step) -> Float { Float(code - step.zero) * step.scale }

  func rounded(_ value: Float, _ step: Step) -> Float { self.value(code(value, step), step) }
}

/// A matrix as integers in groups, as the packed layouts take it.
struct GroupPacking: @unchecked Sendable {
  let bits: Int
  let group: Int
  let rows: Int
  let columns: Int
  /// (rows, columns), one byte each.
  let codes: UnsafeMutableBufferPointer<UInt8>
  /// (rows, groups)
  let scales: UnsafeMutableBufferPointer<Float>
  let zeros: UnsafeMutableBufferPointer<UInt8>
  /// The group of each column, where columns were taken in another order; nil for neighbours.
  var groupOfColumn: [Int32]?
  private let owner: Spool

  init(rows: Int, columns: Int, grid: GroupGrid, spool: Spool) throws(ModelFileError) {
    (bits, group, self.rows, self.columns, owner) = (grid.bits, grid.group, rows, columns, spool)
    let groups = (columns + grid.group - 1) / grid.group
    codes = try spool.allocate(byteCount: rows * columns).bindMemory(to: UInt8.self)
    zeros = try spool.allocate(byteCount: rows * groups).bindMemory(to: UInt8.self)
    scales = try spool.allocate(floats: rows * groups)
  }

  var groups: Int { (columns + group - 1) / group }

  func step(row: Int, group: Int) -> GroupGrid.Step {
    GroupGrid.Step(scale: scales[row * groups + group], zero: Int(zeros[row * groups + group]))
  }

  func set(_ step: GroupGrid.Step, row: Int, group: Int) {
    scales[row * groups + group] = step.scale
    zeros[row * groups + group] = UInt8(clamping: step.zero)
  }
}
