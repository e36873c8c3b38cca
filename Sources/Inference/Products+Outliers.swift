// SPDX-License-Identifier: Apache-2.0
import CKernels
internal import LanguageModel

extension Products {
  /// Products of 8-bit integers with the small inputs, and of floats with the large ones of each token.
  ///
  /// A token's outliers are its own, so that its result does not depend on what runs beside it.
  /// - Source: LLM.int8(), arXiv 2208.07339.
  func multiplyApart(
    _ x: UnsafePointer<Float>, tokens: Int, _ matrices: [PreparedMatrix], _ outputs: [UnsafeMutablePointer<Float>]
  ) {
    let pairs = matrices.map { matrix in
      var matrix = matrix
      matrix.splitsOutliers = false
      return matrix
    }
    guard let rest = ordered, let columns = matrices.first?.columns, split(x, tokens * columns, into: rest) else {
      return multiply(x, tokens: tokens, by: pairs, into: outputs)
    }
    for (index, matrix) in matrices.enumerated() {
      let input = matrix.splitsOutliers ? UnsafePointer(rest) : x
      multiply(input, tokens: tokens, by: [pairs[index]], into: [outputs[index]])
    }
    for part in ProductPart.parts(matrices, outputs) where part.matrix.splitsOutliers {
      add(part, x, tokens: tokens)
    }
  }

  /// Whether any input was taken out.
  private func split(_ x: UnsafePointer<Float>, _ count: Int, into rest: UnsafeMutablePointer<Float>) -> Bool {
    ck_split_outliers(x, rest, Int64(count), StorageFormat.outlierThreshold) != 0
  }

  private func add(_ part: ProductPart, _ x: UnsafePointer<Float>, tokens: Int) {
    let matrix = part.matrix
    let panels = (part.pieces + pool.active - 1) / pool.active
    pool.forEachChunk(of: part.pieces, grain: panels) { _, range in
      guard !isIdle else { return }
      let first = part.rows.lowerBound + range.lowerBound * Interleaving.panelRows
      let end = min(part.rows.upperBound, part.rows.lowerBound + range.upperBound * Interleaving.panelRows)
      for token in 0..<tokens {
        ck_add_outliers(
          matrix.type, part.isInterleaved ? 1 : 0, matrix.address, matrix.rowBytes, x + token * matrix.columns,
          Int64(matrix.columns), StorageFormat.outlierThreshold, part.output + token * matrix.rows, Int64(first),
          Int64(end))
      }
    }
  }
}
