// SPDX-License-Identifier: Apache-2.0
import CKernels
internal import CostModel

/// Products of one token whose rows a thread goes on with as soon as it has their sums, which are in its nearest cache then:
/// no other job passes over all of them, and nobody waits for one thread that does.
extension Products {
  /// Rows that become one record of the next product's input.
  private static let recordRows = 32

  /// stream += W · x; false, and nothing done, where the input is not taken as it is.
  ///
  /// - Shapes: x (columns), room and stream (rows).
  func multiplyOne(
    _ x: UnsafePointer<Float>, by matrix: PreparedMatrix, in room: UnsafeMutablePointer<Float>,
    addingTo stream: UnsafeMutablePointer<Float>
  ) -> Bool {
    guard matrix.takesInputAsItIs else { return false }
    let parts = ProductPart.parts([matrix], [room])
    multiplyOne(prepare(x, columns: matrix.columns, for: parts), parts, addingTo: stream)
    return true
  }

  /// y = W · x, and stream += y where there is a stream.
  func multiplyOne(
    _ input: VectorInput, by matrix: PreparedMatrix, into y: UnsafeMutablePointer<Float>,
    addingTo stream: UnsafeMutablePointer<Float>?
  ) {
    multiplyOne(input, ProductPart.parts([matrix], [y]), addingTo: stream)
  }

  private func multiplyOne(_ input: VectorInput, _ parts: [ProductPart], addingTo stream: UnsafeMutablePointer<Float>?)
  {
    forEachRun(of: parts, multiplesOf: Interleaving.panelRows, input) { rows in
      guard let stream, let y = parts.first?.output else { return }
      kernels.row.pointee.add(y + rows.lowerBound, stream + rows.lowerBound, Int64(rows.count))
    }
  }

  /// Several matrices' products with one vector, of which `finish` makes the input of the next matrix, in place of those of
  /// the first one; nil, and nothing done, where an input is not taken as it is.
  ///
  /// - Shapes: x (columns), each output (rows), as many of each matrix as `next` has columns.
  func multiplyOne(
    _ x: UnsafePointer<Float>, by matrices: [PreparedMatrix], into outputs: [UnsafeMutablePointer<Float>],
    then next: PreparedMatrix, finish: (_ rows: Range<Int>) -> Void
  ) -> VectorInput? {
    guard let columns = matrices.first?.columns, let y = outputs.first else { return nil }
    guard next.takesInputAsItIs, matrices.allSatisfy(\.takesInputAsItIs) else { return nil }
    let parts = ProductPart.parts(matrices, outputs)
    let input = prepare(x, columns: columns, for: parts)
    let readsRecords = next.interleavedRows > 0 && ck_panel_input(next.type) == CK_INPUT_RECORDS
    return packed.withMemoryRebound(to: Int32.self, capacity: 1) { records in
      forEachRun(of: parts, multiplesOf: Self.recordRows, input) { rows in
        finish(rows)
        if readsRecords && !isIdle { makeRecords(y, rows, into: records) }
      }
      return VectorInput(blocks: blocks(y, of: next), records: records)
    }
  }

  /// What rows of a matrix in the file's order read, to which only a whole vector is brought.
  private func blocks(_ x: UnsafeMutablePointer<Float>, of matrix: PreparedMatrix) -> ck_activations {
    let others = ProductPart.parts([matrix], [x]).filter { !$0.isInterleaved }
    return prepare(x, columns: matrix.columns, for: others).blocks
  }

  private func makeRecords(_ x: UnsafePointer<Float>, _ columns: Range<Int>, into records: UnsafeMutablePointer<Int32>)
  {
    let first = columns.lowerBound / Self.recordRows * Int(CK_RECORD_WORDS)
    let count = Int64(columns.count)
    kernels.row.pointee.make_records(x + columns.lowerBound, count, 1, count, 1, records + first, 0, 1)
  }

  /// Calls `finish` for runs of rows of which all matrices' products are there, beginning at multiples of `step`.
  ///
  /// On several NUMA nodes a thread's rows are those that it put into panels but for at most a panel at either end.
  /// - Precondition: the matrices have as many rows.
  private func forEachRun(
    of parts: [ProductPart], multiplesOf step: Int, _ input: VectorInput, finish: (_ rows: Range<Int>) -> Void
  ) {
    guard let count = parts.last?.matrix.rows else { return }
    let rowBytes = parts.reduce(0) { $0 + $1.matrix.rowBytes }
    let least = leastPieces(rowBytes: rowBytes, rows: step)
    pool.forEachPiece(of: [(count + step - 1) / step], size: ChunkSize(least: least)) { _, _, pieces in
      let rows = pieces.lowerBound * step..<min(pieces.upperBound * step, count)
      for part in parts where !isIdle {
        let common = part.rows.clamped(to: rows)
        if !common.isEmpty { multiply(part, rows: common, input) }
      }
      finish(rows)
    }
  }
}

extension PreparedMatrix {
  /// Whether products with it take an input in its own order, and whole.
  var takesInputAsItIs: Bool { inputOrder == nil && !splitsOutliers }
}
