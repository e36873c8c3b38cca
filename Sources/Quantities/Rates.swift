// SPDX-License-Identifier: Apache-2.0

/// Data moved per time.
package struct Bandwidth: AdditiveQuantity {
  package var bytesPerSecond: Double
  package init(magnitude: Double) { bytesPerSecond = magnitude }
  package var magnitude: Double { bytesPerSecond }
  package static var keySuffix: String { "BytesPerSecond" }
  package static func gigabytesPerSecond(_ value: Double) -> Bandwidth { Bandwidth(magnitude: value * 1e9) }
}

/// A number of arithmetic operations; a multiply-add counts as two.
package struct OperationCount: AdditiveQuantity {
  package var operations: Double
  package init(magnitude: Double) { operations = magnitude }
  package init(_ operations: Double) { self.operations = operations }
  package var magnitude: Double { operations }
  package static var keySuffix: String { "Operations" }
}

/// Arithmetic operations per time.
package struct OperationRate: AdditiveQuantity {
  package var operationsPerSecond: Double
  package init(magnitude: Double) { operationsPerSecond = magnitude }
  package var magnitude: Double { operationsPerSecond }
  package static var keySuffix: String { "OperationsPerSecond" }
  package static func teraPerSecond(_ value: Double) -> OperationRate { OperationRate(magnitude: value * 1e12) }
}

/// Tokens per time.
package struct TokenRate: AdditiveQuantity {
  package var tokensPerSecond: Double
  package init(magnitude: Double) { tokensPerSecond = magnitude }
  package var magnitude: Double { tokensPerSecond }
  package static var keySuffix: String { "TokensPerSecond" }
}

/// A span of time as a quantity; `Swift.Duration` stays the type for clocks and sleeping.
package struct Seconds: AdditiveQuantity {
  package var seconds: Double
  package init(_ seconds: Double) { self.seconds = seconds }
  package init(magnitude: Double) { seconds = magnitude }
  package init(_ duration: Duration) {
    seconds = Double(duration.components.seconds) + Double(duration.components.attoseconds) * 1e-18
  }
  package var magnitude: Double { seconds }
  package static var keySuffix: String { "Seconds" }
}

extension ByteCount {
  package static func / (left: ByteCount, right: Bandwidth) -> Seconds { Seconds(left.magnitude / right.magnitude) }
  package static func / (left: ByteCount, right: Seconds) -> Bandwidth {
    Bandwidth(magnitude: left.magnitude / right.magnitude)
  }
}

extension OperationCount {
  package static func / (left: OperationCount, right: OperationRate) -> Seconds {
    Seconds(left.magnitude / right.magnitude)
  }
  package static func / (left: OperationCount, right: Seconds) -> OperationRate {
    OperationRate(magnitude: left.magnitude / right.magnitude)
  }
}
