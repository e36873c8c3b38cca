// SPDX-License-Identifier: Apache-2.0
internal import Inference

/// Adam with decoupled weight decay, after clipping the gradient's length.
///
/// - Source: Loshchilov and Hutter, arXiv 1711.05101, algorithm 2.
package struct AdamW: @unchecked Sendable {
  package struct Settings: Sendable, Equatable {
    package var beta1 = 0.9
    package var beta2 = 0.95
    package var epsilon = 1e-8
    package var weightDecay = 0.1
    /// The longest gradient that is applied; longer ones are shortened to it.
    package var clip = 1.0

    package init() {}
  }

  let settings: Settings
  let store: ParameterStore<Float>
  let firstMoments: NumberBuffer<Float>
  let secondMoments: NumberBuffer<Float>
  let pool: ThreadPool
  private static let part = 65_536

  init(_ settings: Settings, _ store: ParameterStore<Float>, pool: ThreadPool) {
    self.settings = settings
    self.store = store
    self.pool = pool
    firstMoments = NumberBuffer(store.count)
    secondMoments = NumberBuffer(store.count)
  }

  /// The gradient's length; its parts are summed in one order whatever the number of threads.
  func gradientLength() -> Double {
    let parts = (store.count + Self.part - 1) / Self.part
    var squares = [Double](repeating: 0, count: parts)
    squares.withUnsafeMutableBufferPointer { squares in
      pool.forEachChunk(of: parts, grain: 1) { _, range in
        for part in range {
          var sum = 0.0
          for i in part * Self.part..<min((part + 1) * Self.part, store.count) {
            sum += Double(store.gradients.address[i]) * Double(store.gradients.address[i])
          }
          squares[part] = sum
        }
      }
    }
    return squares.reduce(0, +).squareRoot()
  }

  /// Moves the numbers against their gradients.
  ///
  /// - Parameter step: from 1.
  func apply(step: Int, rate: Double, gradientLength: Double) {
    let scale = Float(gradientLength > settings.clip ? settings.clip / gradientLength : 1)
    let corrections = (1 - power(settings.beta1, step), 1 - power(settings.beta2, step))
    for slot in store.slots {
      let decay = Float(slot.decays ? 1 - rate * settings.weightDecay : 1)
      pool.forEachChunk(of: slot.range.count, grain: Self.part) { _, range in
        let own = range.lowerBound + slot.offset..<range.upperBound + slot.offset
        update(own, scale: scale, decay: decay, rate: Float(rate / corrections.0), Float(1 / corrections.1))
      }
    }
  }

  private func update(_ range: Range<Int>, scale: Float, decay: Float, rate: Float, _ correction: Float) {
    let (beta1, beta2, epsilon) = (Float(settings.beta1), Float(settings.beta2), Float(settings.epsilon))
    let (w, g) = (store.values.address, store.gradients.address)
    let (m, v) = (firstMoments.address, secondMoments.address)
    for i in range {
      let gradient = g[i] * scale
      m[i] = beta1 * m[i] + (1 - beta1) * gradient
      v[i] = beta2 * v[i] + (1 - beta2) * gradient * gradient
      w[i] = decay * w[i] - rate * m[i] / ((v[i] * correction).squareRoot() + epsilon)
    }
  }

  private func power(_ base: Double, _ exponent: Int) -> Double {
    var (result, factor, rest) = (1.0, base, exponent)
    while rest > 0 {
      if rest & 1 == 1 { result *= factor }
      factor *= factor
      rest >>= 1
    }
    return result
  }
}
