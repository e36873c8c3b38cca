// SPDX-License-Identifier: Apache-2.0
import Glibc

/// `cblas_sgemm` of the OpenBLAS library, found at run time: the reference and alternative for 32-bit products.
///
/// OpenBLAS keeps to one thread; the pool splits the rows. Its own pool would wait for a starved helper.
package final class OpenBLAS: Sendable {
  // order, transposeA, transposeB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc
  typealias SingleProduct =
    @convention(c) (
      Int32, Int32, Int32, Int32, Int32, Int32, Float, UnsafePointer<Float>?, Int32, UnsafePointer<Float>?, Int32,
      Float,
      UnsafeMutablePointer<Float>?, Int32
    ) -> Void
  typealias DoubleProduct =
    @convention(c) (
      Int32, Int32, Int32, Int32, Int32, Int32, Double, UnsafePointer<Double>?, Int32, UnsafePointer<Double>?, Int32,
      Double,
      UnsafeMutablePointer<Double>?, Int32
    ) -> Void
  private typealias SetThreads = @convention(c) (Int32) -> Void

  private let product: SingleProduct
  private let doubleProduct: DoubleProduct

  /// Nil where the library is not installed.
  package static let shared: OpenBLAS? = OpenBLAS()

  private init?() {
    guard let library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL), let single = dlsym(library, "cblas_sgemm"),
      let double = dlsym(library, "cblas_dgemm")
    else { return nil }
    product = unsafeBitCast(single, to: SingleProduct.self)
    doubleProduct = unsafeBitCast(double, to: DoubleProduct.self)
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

  /// C = α · op(A) · op(B) + β · C, on one thread.
  package func multiply(
    _ sizes: ProductSizes, _ a: ProductInput<Float>, _ b: ProductInput<Float>, alpha: Float,
    beta: Float, into c: UnsafeMutablePointer<Float>, stride: Int
  ) {
    product(
      101, a.order, b.order, Int32(sizes.rows), Int32(sizes.columns), Int32(sizes.inner), alpha, a.address,
      Int32(a.stride), b.address, Int32(b.stride), beta, c, Int32(stride))
  }

  /// The same in 64 bits.
  package func multiply(
    _ sizes: ProductSizes, _ a: ProductInput<Double>, _ b: ProductInput<Double>, alpha: Double, beta: Double,
    into c: UnsafeMutablePointer<Double>, stride: Int
  ) {
    doubleProduct(
      101, a.order, b.order, Int32(sizes.rows), Int32(sizes.columns), Int32(sizes.inner), alpha, a.address,
      Int32(a.stride), b.address, Int32(b.stride), beta, c, Int32(stride))
  }
}

/// The sizes of a product: C (rows, columns) of op(A) (rows, inner) and op(B) (inner, columns).
package struct ProductSizes {
  package var rows: Int
  package var columns: Int
  package var inner: Int

  package init(rows: Int, columns: Int, inner: Int) {
    self.rows = rows
    self.columns = columns
    self.inner = inner
  }
}

/// A row-major operand, read as it lies or transposed.
package struct ProductInput<Number> {
  package let address: UnsafePointer<Number>
  /// Elements from one stored row to the next.
  package let stride: Int
  package let isTransposed: Bool

  package init(_ address: UnsafePointer<Number>, stride: Int, isTransposed: Bool = false) {
    self.address = address
    self.stride = stride
    self.isTransposed = isTransposed
  }

  /// CBLAS: 111 as it lies, 112 transposed.
  fileprivate var order: Int32 { isTransposed ? 112 : 111 }
}
