// SPDX-License-Identifier: Apache-2.0

/// The only place that prints quantities for people: three significant digits and always a unit.
package enum QuantityFormat {
  /// Three significant digits without exponent: 0.0123, 1.23, 12.3, 123, 1230.
  package static func threeDigits(_ value: Double) -> String {
    guard value.isFinite else { return value.isNaN ? "not a number" : "infinite" }
    guard value != 0 else { return "0" }
    var decimals = 2
    var bound = abs(value)
    while bound >= 9.995, decimals > 0 {
      bound /= 10
      decimals -= 1
    }
    while bound < 0.9995, decimals < 9 {
      bound *= 10
      decimals += 1
    }
    return fixed(value, decimals: decimals)
  }

  /// A decimal number with exactly `decimals` digits behind the point, rounded half away from zero.
  package static func fixed(_ value: Double, decimals: Int) -> String {
    var scale = 1.0
    for _ in 0..<decimals { scale *= 10 }
    let scaled = (abs(value) * scale).rounded()
    guard scaled < 9e15 else { return String(value) }
    let digits = Int64(scaled)
    let sign = value < 0 && digits != 0 ? "-" : ""
    guard decimals > 0 else { return "\(sign)\(digits)" }
    let fraction = String(digits % Int64(scale))
    return "\(sign)\(digits / Int64(scale)).\(String(repeating: "0", count: decimals - fraction.count))\(fraction)"
  }
}

extension ByteCount: CustomStringConvertible {
  /// Memory and files in binary units: `636 MiB`, `4.58 GiB`.
  package var description: String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
    var value = magnitude
    var unit = 0
    while abs(value) >= 1023.5, unit < units.count - 1 {
      value /= 1024
      unit += 1
    }
    return unit == 0 ? "\(bytes) B" : "\(QuantityFormat.threeDigits(value)) \(units[unit])"
  }
}

extension Bandwidth: CustomStringConvertible {
  package var description: String { "\(QuantityFormat.threeDigits(bytesPerSecond / 1e9)) GB/s" }
}

extension OperationRate: CustomStringConvertible {
  package var description: String {
    operationsPerSecond >= 1e12
      ? "\(QuantityFormat.threeDigits(operationsPerSecond / 1e12)) TOP/s"
      : "\(QuantityFormat.threeDigits(operationsPerSecond / 1e9)) GOP/s"
  }
}

extension TokenRate: CustomStringConvertible {
  package var description: String { "\(QuantityFormat.threeDigits(tokensPerSecond)) tokens/s" }
}

extension Seconds: CustomStringConvertible {
  package var description: String {
    switch abs(seconds) {
    case 0: "0 s"
    case ..<1e-6: "\(QuantityFormat.threeDigits(seconds * 1e9)) ns"
    case ..<1e-3: "\(QuantityFormat.threeDigits(seconds * 1e6)) µs"
    case ..<1: "\(QuantityFormat.threeDigits(seconds * 1e3)) ms"
    default: "\(QuantityFormat.threeDigits(seconds)) s"
    }
  }
}

extension Energy: CustomStringConvertible {
  package var description: String {
    abs(joules) < 1 && joules != 0
      ? "\(QuantityFormat.threeDigits(joules * 1e3)) mJ" : "\(QuantityFormat.threeDigits(joules)) J"
  }
}

extension Power: CustomStringConvertible {
  package var description: String { "\(QuantityFormat.threeDigits(watts)) W" }
}

extension OperationCount: CustomStringConvertible {
  package var description: String { "\(QuantityFormat.threeDigits(operations / 1e9)) GOP" }
}
