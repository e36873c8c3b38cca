// SPDX-License-Identifier: Apache-2.0
import Glibc

/// `cblas_sgemm` of the OpenBLAS library, found at run time: the reference and alternative for 32-bit products.
///
/// OpenBLAS keeps to one thread; the pool splits the rows. Its own pool would wait for a starved helper.
final class OpenBLAS: Sendable {
  // order, transposeA, transposeB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc
  typealias SingleProduct =
    @convention(c) (
      Int32, Int32, Int32, Int32, Int32, Int32, Float, UnsafePointer<Float>?, Int32, UnsafePointer<Float>?, Int32,
      Float,
      UnsafeMutablePointer<Float>?, Int32
    ) -> Void
  private typealias SetThreads = @convention(c) (Int32) -> Void

  private let product: SingleProduct

  static let shared: OpenBLAS? = OpenBLAS()

  private init?() {
    guard let library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL), let symbol = dlsym(library, "cblas_sgemm")
    else { return nil }
    product = unsafeBitCast(symbol, to: SingleProduct.self)
    if let setThreads = dlsym(library, "openblas_set_num_threads") {
      unsafeBitCast(setThreads, to: SetThreads.self)(1)
    }
  }

  /// y[token][row] = x[token] · w[row] for `rows` rows.
  ///
  /// - Shapes: x (tokens, columns), w (rows, columns), y (tokens, yStride), all row-major.
  func multiply(
    x: UnsafePointer<Float>, tokens: Int, columns: Int, weights: UnsafePointer<Float>, rows: Int,
    y: UnsafeMutablePointer<Float>, yStride: Int
  ) {
    let rowMajor: Int32 = 101
    let plain: Int32 = 111
    let transposed: Int32 = 112
    product(
      rowMajor, plain, transposed, Int32(tokens), Int32(rows), Int32(columns), 1, x, Int32(columns), weights,
      Int32(columns), 0, y, Int32(yStride))
  }
}
