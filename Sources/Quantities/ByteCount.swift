// SPDX-License-Identifier: Apache-2.0

/// An amount of memory or of data moved; exact, never negative in practice but signed so that differences are safe.
///
/// Beyond what 64 bits hold it stays at their end: more than any machine has, whatever a file or a person says.
package struct ByteCount: AdditiveQuantity {
  package var bytes: Int64

  package init(_ bytes: Int64) { self.bytes = bytes }
  package init(_ bytes: Int) { self.bytes = Int64(bytes) }
  package init(magnitude: Double) { bytes = Int64(exactly: magnitude.rounded()) ?? (magnitude < 0 ? .min : .max) }
  package var magnitude: Double { Double(bytes) }
  package static var keySuffix: String { "Bytes" }

  package static func kibibytes(_ count: Double) -> ByteCount { ByteCount(magnitude: count * 1024) }
  package static func mebibytes(_ count: Double) -> ByteCount { ByteCount(magnitude: count * 1_048_576) }
  package static func gibibytes(_ count: Double) -> ByteCount { ByteCount(magnitude: count * 1_073_741_824) }
  package static func megabytes(_ count: Double) -> ByteCount { ByteCount(magnitude: count * 1e6) }
  package static func gigabytes(_ count: Double) -> ByteCount { ByteCount(magnitude: count * 1e9) }

  // Exact integer arithmetic: a file size above 2^53 must not lose its last byte.
  package static func + (left: ByteCount, right: ByteCount) -> ByteCount {
    let (sum, overflow) = left.bytes.addingReportingOverflow(right.bytes)
    return ByteCount(overflow ? end(isNegative: left.bytes < 0) : sum)
  }
  package static func - (left: ByteCount, right: ByteCount) -> ByteCount {
    let (difference, overflow) = left.bytes.subtractingReportingOverflow(right.bytes)
    return ByteCount(overflow ? end(isNegative: left.bytes < 0) : difference)
  }
  package static func * (left: ByteCount, right: Int) -> ByteCount {
    let (product, overflow) = left.bytes.multipliedReportingOverflow(by: Int64(right))
    return ByteCount(overflow ? end(isNegative: (left.bytes < 0) != (right < 0)) : product)
  }
  private static func end(isNegative: Bool) -> Int64 { isNegative ? .min : .max }
  package static func < (left: ByteCount, right: ByteCount) -> Bool { left.bytes < right.bytes }

  package init(from decoder: any Decoder) throws {
    bytes = try decoder.singleValueContainer().decode(Int64.self)
  }
  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(bytes)
  }

  /// The smallest multiple of `alignment` bytes that holds this many bytes.
  package func aligned(to alignment: Int64) -> ByteCount {
    bytes > .max - alignment ? ByteCount(.max as Int64) : ByteCount((bytes + alignment - 1) / alignment * alignment)
  }
}
