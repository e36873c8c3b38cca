// SPDX-License-Identifier: Apache-2.0
internal import Quantities

/// Maps amounts to a span of pixels, with ticks at round numbers.
struct Axis: Sendable {
  enum Scale: Sendable { case linear, logarithmic }

  let title: String
  let scale: Scale
  let low: Double
  let high: Double

  /// An axis that holds every value; a linear one starts at zero, a logarithmic one at a power of ten.
  init(title: String, scale: Scale, holding values: [Double]) {
    let finite = values.filter { $0.isFinite && (scale == .linear || $0 > 0) }
    let largest = finite.max() ?? 1
    self.title = title
    self.scale = scale
    switch scale {
    case .linear:
      low = min(0, finite.min() ?? 0)
      high = largest > low ? Self.roundUp(largest) : low + 1
    case .logarithmic:
      low = Self.powerOfTen(Self.wholeLog(finite.min() ?? 1, rounding: .down))
      high = max(Self.powerOfTen(Self.wholeLog(largest, rounding: .up)), low * 10)
    }
  }

  /// Where `value` lies between the ends: 0...1.
  func position(_ value: Double) -> Double {
    switch scale {
    case .linear: (value - low) / (high - low)
    case .logarithmic: value > 0 ? Logarithm.decimal(value / low) / Logarithm.decimal(high / low) : 0
    }
  }

  var ticks: [Double] {
    switch scale {
    case .linear:
      let step = Self.roundUp((high - low) / 5)
      return stride(from: low, through: high * 1.0001, by: step).map { $0 }
    case .logarithmic:
      return Array(sequence(first: low) { $0 < self.high * 0.999 ? $0 * 10 : nil })
    }
  }

  static func label(_ value: Double) -> String {
    value == value.rounded() && abs(value) < 1e6
      ? QuantityFormat.fixed(value, decimals: 0) : QuantityFormat.threeDigits(value)
  }

  /// The next of 1, 2, 2.5, 5, 10 × 10ⁿ at or above `value`.
  private static func roundUp(_ value: Double) -> Double {
    let base = powerOfTen(wholeLog(value, rounding: .down))
    let steps: [Double] = [1, 2, 2.5, 5, 10]
    return (steps.first { $0 * base >= value * 0.9999 } ?? 10) * base
  }

  private static func wholeLog(_ value: Double, rounding: FloatingPointRoundingRule) -> Int {
    guard value > 0, value.isFinite else { return 0 }
    // A power of ten must not miss itself by a rounding error.
    let slack = rounding == .up ? -1e-9 : 1e-9
    return Int((Logarithm.decimal(value) + slack).rounded(rounding))
  }

  private static func powerOfTen(_ exponent: Int) -> Double {
    (0..<abs(exponent)).reduce(1.0) { power, _ in exponent < 0 ? power / 10 : power * 10 }
  }
}
