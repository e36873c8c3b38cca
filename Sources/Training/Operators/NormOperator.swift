// SPDX-License-Identifier: Apache-2.0
internal import Inference

/// RMS norm and its gradients: y = x · r · w, where r = 1 / √(mean(x²) + ε).
///
/// - Shapes: x, y and their gradients (tokens, width); w (width).
struct NormOperator<Number: TrainingNumber> {
  let width: Int
  let epsilon: Number
  let pool: ThreadPool

  func apply(
    _ w: UnsafePointer<Number>, to x: UnsafePointer<Number>, tokens: Int, into y: UnsafeMutablePointer<Number>
  ) {
    pool.forEachChunk(of: tokens, grain: 16) { _, rows in
      for row in rows {
        let (x, y) = (x + row * width, y + row * width)
        let r = reciprocal(x)
        for i in 0..<width { y[i] = x[i] * r * w[i] }
      }
    }
  }

  /// dx += r · (w ⊙ dy) − x · r³ / width · Σ (w ⊙ dy ⊙ x)
  func addInputGradient(
    _ w: UnsafePointer<Number>, _ x: UnsafePointer<Number>, _ dy: UnsafePointer<Number>, tokens: Int,
    into dx: UnsafeMutablePointer<Number>
  ) {
    pool.forEachChunk(of: tokens, grain: 16) { _, rows in
      for row in rows {
        let (x, dy, dx) = (x + row * width, dy + row * width, dx + row * width)
        let r = reciprocal(x)
        var sum: Number = 0
        for i in 0..<width { sum += w[i] * dy[i] * x[i] }
        let factor = r * r * r * sum / Number(width)
        for i in 0..<width { dx[i] += r * w[i] * dy[i] - factor * x[i] }
      }
    }
  }

  /// dw += Σ over tokens of dy ⊙ x · r
  func addWeightGradient(
    _ x: UnsafePointer<Number>, _ dy: UnsafePointer<Number>, tokens: Int, into dw: UnsafeMutablePointer<Number>
  ) {
    for row in 0..<tokens {
      let (x, dy) = (x + row * width, dy + row * width)
      let r = reciprocal(x)
      for i in 0..<width { dw[i] += dy[i] * x[i] * r }
    }
  }

  private func reciprocal(_ x: UnsafePointer<Number>) -> Number {
    var sum: Number = 0
    for i in 0..<width { sum += x[i] * x[i] }
    return 1 / (sum / Number(width) + epsilon).squareRoot()
  }
}
