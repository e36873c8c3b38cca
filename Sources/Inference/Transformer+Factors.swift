// SPDX-License-Identifier: Apache-2.0
import CKernels
internal import CostModel

extension Transformer {
  /// y = W · x for each of several W without their biases; whole matrices together, those in factors one by one.
  func multiply(
    _ x: UnsafePointer<Float>, tokens: Int, by linears: [PreparedLinear], into outputs: [UnsafeMutablePointer<Float>]
  ) {
    let whole = linears.indices.filter { linears[$0].inner == nil }
    if !whole.isEmpty {
      multiply(x, tokens: tokens, by: whole.map { linears[$0].matrix }, into: whole.map { outputs[$0] })
    }
    for (linear, y) in zip(linears, outputs) {
      if let inner = linear.inner {
        multiply(x, tokens: tokens, by: inner, then: linear.matrix, into: y)
      }
      if let adapter = linear.adapter {
        let extra = buffers.floats(.adapterOutput)  // (t, rows)
        multiply(x, tokens: tokens, by: adapter.inner, then: adapter.outer, into: extra)
        products.pool.forEachChunk(of: tokens * linear.matrix.rows, grain: 32_768) { _, range in
          kernels.pointee.add(extra + range.lowerBound, y + range.lowerBound, Int64(range.count))
        }
      }
    }
  }

  // y = outer · (inner · x)
  private func multiply(
    _ x: UnsafePointer<Float>, tokens: Int, by inner: PreparedMatrix, then outer: PreparedMatrix,
    into y: UnsafeMutablePointer<Float>
  ) {
    let thin = buffers.floats(.thin)  // (t, rank)
    multiply(x, tokens: tokens, by: [inner], into: [thin])
    multiply(thin, tokens: tokens, by: [outer], into: [y])
  }
}
