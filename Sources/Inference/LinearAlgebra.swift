// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Dense 32-bit linear algebra of the OpenBLAS library, found at run time. All matrices are row-major.
package final class LinearAlgebra: Sendable {
  // order, uplo, trans, n, k, alpha, a, lda, beta, c, ldc
  private typealias RankUpdate =
    @convention(c) (
      Int32, Int32, Int32, Int32, Int32, Float, UnsafePointer<Float>?, Int32, Float, UnsafeMutablePointer<Float>?, Int32
    ) -> Void
  // order, transA, transB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc
  private typealias Product =
    @convention(c) (
      Int32, Int32, Int32, Int32, Int32, Int32, Float, UnsafePointer<Float>?, Int32, UnsafePointer<Float>?, Int32,
      Float, UnsafeMutablePointer<Float>?, Int32
    ) -> Void
  // order, side, uplo, trans, diag, m, n, alpha, a, lda, b, ldb
  private typealias Solve =
    @convention(c) (
      Int32, Int32, Int32, Int32, Int32, Int32, Int32, Float, UnsafePointer<Float>?, Int32,
      UnsafeMutablePointer<Float>?, Int32
    ) -> Void
  // uplo, n, a, lda, info
  private typealias Factor =
    @convention(c) (
      UnsafePointer<CChar>?, UnsafePointer<Int32>?, UnsafeMutablePointer<Float>?, UnsafePointer<Int32>?,
      UnsafeMutablePointer<Int32>?
    ) -> Void
  // jobz, m, n, a, lda, s, u, ldu, vt, ldvt, work, lwork, iwork, info
  private typealias Decompose =
    @convention(c) (
      UnsafePointer<CChar>?, UnsafePointer<Int32>?, UnsafePointer<Int32>?, UnsafeMutablePointer<Float>?,
      UnsafePointer<Int32>?, UnsafeMutablePointer<Float>?, UnsafeMutablePointer<Float>?, UnsafePointer<Int32>?,
      UnsafeMutablePointer<Float>?, UnsafePointer<Int32>?, UnsafeMutablePointer<Float>?, UnsafePointer<Int32>?,
      UnsafeMutablePointer<Int32>?, UnsafeMutablePointer<Int32>?
    ) -> Void

  private let rankUpdate: RankUpdate
  private let product: Product
  private let solve: Solve
  private let cholesky: Factor
  private let inverse: Factor
  private let decompose: Decompose

  /// Nil where the library, or a routine of LAPACK in it, is missing.
  package static let shared: LinearAlgebra? = LinearAlgebra()

  private init?() {
    // Its own threads would wait for a starved helper; the first user of the library turns them off.
    guard OpenBLAS.shared != nil, let library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL),
      let rankUpdate = dlsym(library, "cblas_ssyrk"), let product = dlsym(library, "cblas_sgemm"),
      let solve = dlsym(library, "cblas_strsm"), let cholesky = dlsym(library, "spotrf_"),
      let inverse = dlsym(library, "spotri_"), let decompose = dlsym(library, "sgesdd_")
    else { return nil }
    self.rankUpdate = unsafeBitCast(rankUpdate, to: RankUpdate.self)
    self.product = unsafeBitCast(product, to: Product.self)
    self.solve = unsafeBitCast(solve, to: Solve.self)
    self.cholesky = unsafeBitCast(cholesky, to: Factor.self)
    self.inverse = unsafeBitCast(inverse, to: Factor.self)
    self.decompose = unsafeBitCast(decompose, to: Decompose.self)
  }

  private static let rowMajor: Int32 = 101
  private static let plain: Int32 = 111
  private static let transposed: Int32 = 112
  private static let upper: Int32 = 121

  /// Adds xᵀ·x of x (rows, columns) to the upper triangle of `sum` (columns, columns).
  package func addGram(_ x: UnsafePointer<Float>, rows: Int, columns: Int, to sum: UnsafeMutablePointer<Float>) {
    let n = Int32(columns)
    rankUpdate(Self.rowMajor, Self.upper, Self.transposed, n, Int32(rows), 1, x, n, 1, sum, n)
  }

  /// c (rows, columns) = a (rows, inner) · b, b being (inner, columns), or (columns, inner) when it is transposed.
  package func multiply(
    _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, isTransposed: Bool = false, rows: Int, inner: Int,
    columns: Int, into c: UnsafeMutablePointer<Float>
  ) {
    product(
      Self.rowMajor, Self.plain, isTransposed ? Self.transposed : Self.plain, Int32(rows), Int32(columns),
      Int32(inner), 1, a, Int32(inner), b, Int32(isTransposed ? inner : columns), 0, c, Int32(columns))
  }

  /// Replaces the upper triangle of a symmetric matrix, of which that triangle is read, by U with a = Uᵀ·U.
  ///
  /// - Returns: false when the matrix is not positive definite.
  package func factor(_ a: UnsafeMutablePointer<Float>, count: Int) -> Bool { apply(cholesky, a, count) }

  /// Replaces the upper triangle U by that of (Uᵀ·U)⁻¹.
  package func invertFactored(_ a: UnsafeMutablePointer<Float>, count: Int) -> Bool { apply(inverse, a, count) }

  private func apply(_ routine: Factor, _ a: UnsafeMutablePointer<Float>, _ count: Int) -> Bool {
    var (n, info) = (Int32(count), Int32(0))
    // A row-major upper triangle is a column-major lower one.
    "L".withCString { routine($0, &n, a, &n, &info) }
    return info == 0
  }

  /// Replaces b (rows, columns) by b · (Uᵀ)⁻¹, U being an upper triangle (columns, columns).
  package func divide(
    _ b: UnsafeMutablePointer<Float>, rows: Int, columns: Int, byTransposed u: UnsafePointer<Float>
  ) {
    let right: Int32 = 142
    let general: Int32 = 131
    solve(
      Self.rowMajor, right, Self.upper, Self.transposed, general, Int32(rows), Int32(columns), 1, u, Int32(columns), b,
      Int32(columns))
  }

  /// The singular values of a (rows, columns), largest first, with their vectors: a = u · diag(values) · v.
  ///
  /// - Shapes: k = min(rows, columns); u (rows, k), v (k, columns). `a` is overwritten.
  /// - Returns: nil when the iteration does not converge.
  package func singularValues(
    _ a: UnsafeMutablePointer<Float>, rows: Int, columns: Int
  ) -> (u: [Float], values: [Float], v: [Float])? {
    // Column-major LAPACK sees aᵀ (columns, rows) = vᵀ · diag · uᵀ.
    let count = min(rows, columns)
    var (m, n, k, info) = (Int32(columns), Int32(rows), Int32(count), Int32(0))
    var values = [Float](repeating: 0, count: count)
    var v = [Float](repeating: 0, count: count * columns)
    var u = [Float](repeating: 0, count: rows * count)
    var places = [Int32](repeating: 0, count: 8 * count)
    var wanted: Float = 0
    var ask: Int32 = -1
    decompose("S", &m, &n, a, &m, &values, &v, &m, &u, &k, &wanted, &ask, &places, &info)
    guard info == 0 else { return nil }
    var size = Int32(wanted) + 1
    var work = [Float](repeating: 0, count: Int(size))
    decompose("S", &m, &n, a, &m, &values, &v, &m, &u, &k, &work, &size, &places, &info)
    return info == 0 ? (u, values, v) : nil
  }
}
