// SPDX-License-Identifier: Apache-2.0
internal import Inference

/// SwiGLU and its gradients: y = g · σ(g) · u, element by element.
struct GateOperator<Number: TrainingNumber> {
  let pool: ThreadPool
  private static var grain: Int { 8_192 }

  func apply(
    gate g: UnsafePointer<Number>, up u: UnsafePointer<Number>, count: Int, into y: UnsafeMutablePointer<Number>
  ) {
    pool.forEachChunk(of: count, grain: Self.grain) { _, range in
      for i in range { y[i] = g[i] * Self.sigmoid(g[i]) * u[i] }
    }
  }

  /// Turns g and u into their gradients: dg = dy · u · σ · (1 + g · (1 − σ)) and du = dy · g · σ.
  func differentiate(
    _ dy: UnsafePointer<Number>, gate g: UnsafeMutablePointer<Number>, up u: UnsafeMutablePointer<Number>, count: Int
  ) {
    pool.forEachChunk(of: count, grain: Self.grain) { _, range in
      for i in range {
        let s = Self.sigmoid(g[i])
        let dg = dy[i] * u[i] * s * (1 + g[i] * (1 - s))
        u[i] = dy[i] * g[i] * s
        g[i] = dg
      }
    }
  }

  private static func sigmoid(_ x: Number) -> Number { 1 / (1 + Number.exponential(-x)) }
}
