// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import Inference
internal import LanguageModel
internal import ModelFiles

/// AWQ: multiplies the columns that read large inputs before they are rounded, and divides what feeds them by the same;
/// then narrows the range of each group.
///
/// - Source: Lin et al., arXiv 2306.00978: scales (root mean square)^ratio, the ratio by search, clipping by search; here
///   the error is that of the outputs of all matrices that read the same vector, in windows of the text that no range
///   was narrowed by. Rounding as it is, without scales and whole ranges, is one of the candidates.
struct ActivationAwareScaling: LayerMethod {
  let grid: GroupGrid

  var statistics: InputStatistics.Kind? { .products }
  var holdsOut: Bool { true }
  var note: String { "awq" }

  private static let ratios = 20
  /// Shares of a group's range that are tried.
  private static let shares: [Float] = [1, 0.95, 0.9, 0.85, 0.8, 0.7]
  /// Rows whose error is looked at.
  private static let sampledRows = 256

  /// Scales of the columns, and the grid of the scaled matrix.
  struct Candidate {
    let scales: [Float]
    let grid: ClippedGrid
  }

  func change(_ layer: inout FloatLayer, _ inputs: LayerInputs?, _ model: WorkingModel, _ pool: ThreadPool) throws {
    guard let algebra = LinearAlgebra.shared else { throw CompressorError.noLinearAlgebra }
    var grids: [Int: ClippedGrid] = [:]
    for fold in ScaleFold.all(of: layer, model) {
      let readers = fold.readers.filter { grid.fits(layer.tensors[$0]) }
      guard let first = readers.first else { continue }
      guard let seen = inputs?[first], let heldOut = (inputs?.heldOut ?? inputs)?[first] else {
        throw CompressorError.notCalibrated(tensor: layer.tensors[first].name)
      }
      let candidates = candidates(seen, scaling: !fold.givers.isEmpty)
      let tensors = readers.map { layer.tensors[$0] }
      let best = best(of: candidates, for: tensors, products: heldOut.symmetric, algebra, pool)
      for reader in readers { grids[reader] = best.grid }
      // Scales that are all 1 change nothing, also where there is nothing to divide by them.
      fold.apply(best.scales, to: layer, normOffset: Float(model.architecture.forward.normOffset))
    }
    // Only now: what feeds one matrix may be another.
    for (place, grid) in grids { try layer.tensors[place].round(to: grid, layer.spool, pool) }
  }

  private func candidates(_ inputs: InputStatistics, scaling: Bool) -> [Candidate] {
    let roots = inputs.meanSquares.map { max($0.squareRoot(), 1e-4) }
    let products = inputs.symmetric
    let plain = Candidate(scales: roots.map { _ in 1 }, grid: ClippedGrid(grid))
    return [plain]
      + (0..<(scaling ? Self.ratios : 1)).map { step in
        let scales = Self.normalised(roots, ratio: Float(step) / Float(Self.ratios))
        return Candidate(
          scales: scales, grid: ClippedGrid(grid, shares: Self.shares, products: products, dividedBy: scales))
      }
  }

  /// (root)^ratio, with the geometric mean of the largest and the smallest brought to 1.
  private static func normalised(_ roots: [Float], ratio: Float) -> [Float] {
    let powers = roots.map { powf($0, ratio) }
    let middle = ((powers.max() ?? 1) * (powers.min() ?? 1)).squareRoot()
    return powers.map { $0 / max(middle, .leastNormalMagnitude) }
  }

  /// The candidate with the least error over all matrices that read the same vector.
  private func best(
    of candidates: [Candidate], for tensors: [FloatTensor], products: [Float], _ algebra: LinearAlgebra,
    _ pool: ThreadPool
  ) -> Candidate {
    var errors = [Float](repeating: 0, count: candidates.count)
    errors.withUnsafeMutableBufferPointer { errors in
      nonisolated(unsafe) let (errors, tensors) = (errors, tensors)
      pool.forEachChunk(of: candidates.count, grain: 1) { _, range in
        for index in range {
          errors[index] = tensors.reduce(0) { $0 + error($1, candidates[index], products, algebra) }
        }
      }
    }
    let least = errors.indices.min { errors[$0] < errors[$1] } ?? 0
    return candidates[least]
  }

  /// Σ over some rows of δ · (Σ x·xᵀ) · δᵀ, δ being what rounding changes in a row.
  private func error(
    _ tensor: FloatTensor, _ candidate: Candidate, _ products: [Float], _ algebra: LinearAlgebra
  ) -> Float {
    let (columns, scales) = (tensor.columns, candidate.scales)
    let rows = Array(stride(from: 0, to: tensor.rows, by: max(1, tensor.rows / Self.sampledRows)))
    var scaled: [Float] = []
    scaled.reserveCapacity(rows.count * columns)
    for row in rows {
      let values = tensor.row(row)
      for column in 0..<columns { scaled.append(values[column] * scales[column]) }
    }
    let steps = candidate.grid.steps(scaled, rows: rows.count, columns: columns)
    for index in scaled.indices {
      let rounded = grid.rounded(scaled[index], steps[index / grid.group])
      scaled[index] = (rounded - scaled[index]) / scales[index % columns]
    }
    return algebra.quadraticForms(scaled, products, rows: rows.count, columns: columns).reduce(0, +)
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
