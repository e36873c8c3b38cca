// SPDX-License-Identifier: Apache-2.0
internal import Inference

/// Products of matrices, spread over the pool in rows of the result.
///
/// The parts are of one size whatever the number of threads, so that sums are rounded alike on every machine.
struct MatrixProducts<Number: TrainingNumber>: Sendable {
  typealias Input = UnsafePointer<Number>
  typealias Output = UnsafeMutablePointer<Number>

  let library: OpenBLAS
  let pool: ThreadPool
  private static var part: Int { 64 }

  /// y (t, n) = α · x (t, k) · wᵀ (k, n) + β · y
  func apply(
    _ w: Input, rows n: Int, columns k: Int, to x: Input, tokens t: Int, alpha: Number = 1, beta: Number = 0,
    into y: Output
  ) {
    multiply(
      .init(rows: t, columns: n, inner: k), .init(x, stride: k), .init(w, stride: k, isTransposed: true), alpha: alpha,
      beta: beta, into: y)
  }

  /// dx (t, k) = α · dy (t, n) · w (n, k) + β · dx
  func applyTransposed(
    _ w: Input, rows n: Int, columns k: Int, to dy: Input, tokens t: Int, alpha: Number = 1, beta: Number,
    into dx: Output
  ) {
    multiply(
      .init(rows: t, columns: k, inner: n), .init(dy, stride: n), .init(w, stride: k), alpha: alpha, beta: beta,
      into: dx)
  }

  /// dw (n, k) += α · dyᵀ (n, t) · x (t, k)
  func accumulate(
    _ dy: Input, rows n: Int, _ x: Input, columns k: Int, tokens t: Int, alpha: Number = 1, into dw: Output
  ) {
    multiply(
      .init(rows: n, columns: k, inner: t), .init(dy, stride: n, isTransposed: true), .init(x, stride: k),
      alpha: alpha, beta: 1, into: dw)
  }

  private func multiply(
    _ sizes: ProductSizes, _ a: ProductInput<Number>, _ b: ProductInput<Number>, alpha: Number, beta: Number,
    into c: Output
  ) {
    let parts = (sizes.rows + Self.part - 1) / Self.part
    pool.forEachChunk(of: parts, grain: 1) { _, range in
      for first in range.map({ $0 * Self.part }) {
        var own = sizes
        own.rows = min(Self.part, sizes.rows - first)
        let start = a.address + (a.isTransposed ? first : first * a.stride)
        Number.multiply(
          library, own, ProductInput(start, stride: a.stride, isTransposed: a.isTransposed), b, alpha: alpha,
          beta: beta, into: c + first * sizes.columns, stride: sizes.columns)
      }
    }
  }
}
