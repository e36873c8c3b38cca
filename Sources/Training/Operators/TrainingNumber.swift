// SPDX-License-Identifier: Apache-2.0
internal import Glibc
package import Inference

/// The numbers that a network is trained in: 32 bits, or 64 to check gradients.
package protocol TrainingNumber: BinaryFloatingPoint, Sendable {
  static func exponential(_ x: Self) -> Self
  static func logarithm(_ x: Self) -> Self
  /// C = α · op(A) · op(B) + β · C.
  static func multiply(
    _ library: OpenBLAS, _ sizes: ProductSizes, _ a: ProductInput<Self>, _ b: ProductInput<Self>, alpha: Self,
    beta: Self, into c: UnsafeMutablePointer<Self>, stride: Int)
}

extension Float: TrainingNumber {
  package static func exponential(_ x: Float) -> Float { expf(x) }
  package static func logarithm(_ x: Float) -> Float { logf(x) }
  package static func multiply(
    _ library: OpenBLAS, _ sizes: ProductSizes, _ a: ProductInput<Float>, _ b: ProductInput<Float>, alpha: Float,
    beta: Float, into c: UnsafeMutablePointer<Float>, stride: Int
  ) {
    library.multiply(sizes, a, b, alpha: alpha, beta: beta, into: c, stride: stride)
  }
}

extension Double: TrainingNumber {
  package static func exponential(_ x: Double) -> Double { exp(x) }
  package static func logarithm(_ x: Double) -> Double { log(x) }
  package static func multiply(
    _ library: OpenBLAS, _ sizes: ProductSizes, _ a: ProductInput<Double>, _ b: ProductInput<Double>, alpha: Double,
    beta: Double, into c: UnsafeMutablePointer<Double>, stride: Int
  ) {
    library.multiply(sizes, a, b, alpha: alpha, beta: beta, into: c, stride: stride)
  }
}

/// Numbers in memory of their own, zero at first.
final class NumberBuffer<Number: TrainingNumber>: @unchecked Sendable {
  let count: Int
  let address: UnsafeMutablePointer<Number>

  init(_ count: Int) {
    self.count = count
    address = .allocate(capacity: max(1, count))
    address.initialize(repeating: 0, count: max(1, count))
  }

  deinit { address.deallocate() }

  func clear() { address.update(repeating: 0, count: count) }
}
