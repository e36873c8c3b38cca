// SPDX-License-Identifier: Apache-2.0
import CKernels

/// Rows of a matrix that lie alike, and where their sums go.
struct ProductPart {
  let matrix: PreparedMatrix
  let rows: Range<Int>
  let isInterleaved: Bool
  let output: UnsafeMutablePointer<Float>
  /// Whether sums are added to what lies there: by tiles alone.
  var adds = false

  /// The interleaved rows of each matrix, then those behind them.
  static func parts(_ matrices: [PreparedMatrix], _ outputs: [UnsafeMutablePointer<Float>]) -> [ProductPart] {
    var parts: [ProductPart] = []
    parts.reserveCapacity(2 * matrices.count)
    for (matrix, output) in zip(matrices, outputs) {
      for (rows, isInterleaved) in [(0..<matrix.interleavedRows, true), (matrix.interleavedRows..<matrix.rows, false)] {
        guard !rows.isEmpty else { continue }
        parts.append(ProductPart(matrix: matrix, rows: rows, isInterleaved: isInterleaved, output: output))
      }
    }
    return parts
  }

  func matvecInput(_ row: UnsafePointer<ck_kernels>) -> ck_input {
    isInterleaved ? ck_panel_input(matrix.type) : ck_input_of(row, matrix.type)
  }

  /// What a product of a few tokens reads, whose rows are interleaved.
  var fewInput: ck_input { ck_panel_input(matrix.type) }

  /// What a product of so many tokens reads.
  func manyInput(_ kernels: KernelSet, tokens: Int) -> ck_input {
    ck_many_input(kernels.row, matrix.type, isInterleaved ? 1 : 0, Int64(matrix.columns), Int64(tokens))
  }

  var hasFew: Bool { isInterleaved && ck_has_few(matrix.type) != 0 }

  /// Pieces of sixteen rows, the last one perhaps smaller.
  var pieces: Int { (rows.count + Interleaving.panelRows - 1) / Interleaving.panelRows }
}
