// SPDX-License-Identifier: Apache-2.0
internal import Compression
internal import Inference
internal import LanguageModel

/// Sets the least important weights of each row to zero.
///
/// With a text, a weight's importance is its magnitude times the root mean square of its input (Wanda, arXiv
/// 2306.11695); without one, its magnitude.
struct Sparsifier: LayerMethod {
  let pattern: SparsePattern
  let readsText: Bool

  var statistics: InputStatistics.Kind? { readsText ? .squares : nil }
  var note: String { "\(pattern.name) by \((readsText ? SparsityCriterion.wanda : .magnitude).rawValue)" }

  func change(_ layer: inout FloatLayer, _ inputs: LayerInputs?, _ model: WorkingModel, _ pool: ThreadPool) throws {
    for place in layer.matrices {
      let tensor = layer.tensors[place]
      var scale = [Float](repeating: 1, count: tensor.columns)
      if readsText {
        guard let found = inputs?[place] else { throw CompressorError.notCalibrated(tensor: tensor.name) }
        scale = found.meanSquares.map { $0.squareRoot() }
      }
      nonisolated(unsafe) let start = tensor.pointer
      let (columns, scales) = (tensor.columns, scale)
      pool.forEachChunk(of: tensor.rows, grain: 16) { _, rows in
        for row in rows { thin(UnsafeMutableBufferPointer(start: start + row * columns, count: columns), scales) }
      }
    }
  }

  private func thin(_ row: UnsafeMutableBufferPointer<Float>, _ scale: [Float]) {
    var width = row.count
    if case .structured(_, let group) = pattern { width = Int(group) }
    for start in stride(from: 0, to: row.count, by: width) {
      let range = start..<min(start + width, row.count)
      keep(pattern.kept(in: range), of: range, row, scale)
    }
  }

  /// Of equals, the first stay.
  private func keep(_ count: Int, of range: Range<Int>, _ row: UnsafeMutableBufferPointer<Float>, _ scale: [Float]) {
    let scores = range.map { (abs(row[$0]) * scale[$0], $0) }
    for (_, column) in scores.sorted(by: { ($0.0, $1.1) > ($1.0, $0.1) }).dropFirst(count) { row[column] = 0 }
  }
}
