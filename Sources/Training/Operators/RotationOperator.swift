// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import Inference
internal import LanguageModel

/// Rotary positions, forth and back: the gradient of a rotation is the rotation by the opposite angle.
struct RotationOperator<Number: TrainingNumber> {
  private let width: Int
  private let pairing: RopeRules.Pairing
  /// (positions, width / 2)
  private let cosines: [Number]
  private let sines: [Number]
  let pool: ThreadPool

  /// - Parameter divisors: what each frequency is divided by, width / 2 of them.
  init(_ rules: RopeRules, divisors: [Double], headWidth: Int, positions: Int, pool: ThreadPool) {
    width = min(rules.width ?? headWidth, headWidth)
    pairing = rules.pairing
    let width = self.width
    let frequencies = (0..<width / 2).map { pow(rules.base, -2 * Double($0) / Double(width)) / divisors[$0] }
    let angles = (0..<positions).flatMap { position in frequencies.map { Double(position) * $0 } }
    // Rounded to 32 bits as the runtime's table is.
    cosines = angles.map { Number(Float(cos($0))) }
    sines = angles.map { Number(Float(sin($0))) }
    self.pool = pool
  }

  /// Rotates every head of x (tokens, heads, headWidth) by its position, or back.
  func apply(
    to x: UnsafeMutablePointer<Number>, tokens: Int, heads: Int, headWidth: Int, isInverse: Bool = false
  ) {
    let direction: Number = isInverse ? -1 : 1
    let (first, second) = pairing == .neighbours ? (2, 1) : (1, width / 2)
    pool.forEachChunk(of: tokens, grain: 16) { _, rows in
      for row in rows {
        for head in 0..<heads {
          let x = x + (row * heads + head) * headWidth
          for pair in 0..<width / 2 {
            let (c, s) = (cosines[row * (width / 2) + pair], direction * sines[row * (width / 2) + pair])
            let (a, b) = (x[pair * first], x[pair * first + second])
            x[pair * first] = a * c - b * s
            x[pair * first + second] = a * s + b * c
          }
        }
      }
    }
  }
}
