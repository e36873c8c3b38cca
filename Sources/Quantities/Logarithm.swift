// SPDX-License-Identifier: Apache-2.0

/// Logarithm and exponential for the floors that import nothing, exact to about 15 digits.
package enum Logarithm {
  static let two = 0.693_147_180_559_945_309_4

  /// The natural logarithm; minus infinity at zero, not a number below.
  ///
  /// `2 · artanh((m − 1) / (m + 1))` of the significand, whose series converges quickly near one.
  package static func natural(_ value: Double) -> Double {
    guard value > 0 else { return value == 0 ? -.infinity : .nan }
    guard value.isFinite else { return value }
    var significand = value.significand
    var exponent = Double(value.exponent)
    if significand > 1.5 {
      significand /= 2
      exponent += 1
    }
    let ratio = (significand - 1) / (significand + 1)
    let square = ratio * ratio
    var term = ratio
    var sum = 0.0
    for odd in stride(from: 1.0, through: 31, by: 2) {
      sum += term / odd
      term *= square
    }
    return exponent * two + 2 * sum
  }

  package static func decimal(_ value: Double) -> Double { natural(value) / 2.302_585_092_994_045_684 }

  /// e to the power of `value`.
  package static func exponential(_ value: Double) -> Double {
    guard abs(value) < 709 else { return value.isNaN ? value : value > 0 ? .infinity : 0 }
    let whole = (value / two).rounded()
    let rest = value - whole * two
    var term = 1.0
    var sum = 1.0
    for index in 1...20 {
      term *= rest / Double(index)
      sum += term
    }
    return Double(sign: .plus, exponent: Int(whole), significand: sum)
  }
}
