// SPDX-License-Identifier: Apache-2.0
internal import Compression
internal import Inference
internal import LanguageModel

/// Sets the weights of each row to zero that cost least, and lets those that follow make up for them.
///
/// A weight costs w² / U², U being its diagonal element of the error's factor. Each block of columns loses its share, so
/// that all rows keep as many.
/// - Source: SparseGPT, arXiv 2301.00774; there a block loses its share over all rows together.
struct CompensatedSparsifier: LayerMethod {
  let pattern: SparsePattern

  /// Columns that are chosen together where no pattern says it.
  static let block = 128

  var statistics: InputStatistics.Kind? { .products }
  var note: String { "\(pattern.name) by \(SparsityCriterion.sparseGPT.rawValue)" }

  func change(_ layer: inout FloatLayer, _ inputs: LayerInputs?, _ model: WorkingModel, _ pool: ThreadPool) throws {
    // Matrices that read the same vector share its factor.
    var factors: [ObjectIdentifier: ErrorFactor] = [:]
    for place in layer.matrices {
      let tensor = layer.tensors[place]
      guard let found = inputs?[place] else { throw CompressorError.notCalibrated(tensor: tensor.name) }
      let key = ObjectIdentifier(found)
      let factor = try factors[key] ?? ErrorFactor(found, ordersColumns: false, tensor: tensor.name)
      factors[key] = factor
      nonisolated(unsafe) let start = tensor.pointer
      let columns = tensor.columns
      pool.forEachChunk(of: tensor.rows, grain: 4) { _, rows in
        for row in rows { thin(UnsafeMutableBufferPointer(start: start + row * columns, count: columns), factor) }
      }
    }
  }

  private func thin(_ row: UnsafeMutableBufferPointer<Float>, _ factor: ErrorFactor) {
    let columns = row.count
    for column in 0..<columns where factor.isDead[column] { row[column] = 0 }
    factor.upper.withUnsafeBufferPointer { upper in
      for start in stride(from: 0, to: columns, by: width) {
        let group = start..<min(start + width, columns)
        let cost = group.map { row[$0] * row[$0] / (upper[$0 * columns + $0] * upper[$0 * columns + $0]) }
        let ranked = group.sorted { (cost[$0 - start], $1) > (cost[$1 - start], $0) }
        for column in ranked.dropFirst(pattern.kept(in: group)).sorted() {
          let share = upper.baseAddress.map { $0 + column * columns }
          guard let share, row[column] != 0 else { continue }
          let error = row[column] / share[column]
          for next in column..<columns { row[next] -= error * share[next] }
          row[column] = 0
        }
      }
    }
  }

  private var width: Int { if case .structured(_, let group) = pattern { Int(group) } else { Self.block } }
}
