// SPDX-License-Identifier: Apache-2.0
package import JSONText
package import Quantities

/// What was made of a model's weights.
package struct CompressionRecord: Sendable, Equatable {
  /// The tensors that ended up in one format.
  package struct Format: Sendable, Equatable {
    package var name: String
    package var tensors: Int
    package var bytes: ByteCount
    fileprivate var squares: Double
    fileprivate var signal: Double

    /// √(Σ (stored − given)² / Σ given²) over all elements; 0 for tensors that were copied.
    package var relativeError: Double { signal > 0 ? (squares / signal).squareRoot() : 0 }
  }

  package var model: String
  package var variant: String
  package var source: String
  package var output: String
  package var calibration: String?
  package var sourceBytes: ByteCount
  /// Of the whole file.
  package var bytes: ByteCount
  package var bitsPerWeight: Double
  package var seconds: Double
  package private(set) var formats: [Format] = []

  package init(
    model: String, variant: String, source: String, output: String, calibration: String?, sourceBytes: ByteCount,
    bytes: ByteCount, bitsPerWeight: Double, seconds: Double
  ) {
    self.model = model
    self.variant = variant
    self.source = source
    self.output = output
    self.calibration = calibration
    self.sourceBytes = sourceBytes
    self.bytes = bytes
    self.bitsPerWeight = bitsPerWeight
    self.seconds = seconds
  }

  /// Counts a tensor with the sum of its squared errors and of its squares.
  package mutating func add(format: String, bytes: Int, squares: Double, signal: Double) {
    let place = formats.firstIndex { $0.name == format } ?? formats.count
    if place == formats.count { formats.append(.init(name: format, tensors: 0, bytes: .zero, squares: 0, signal: 0)) }
    formats[place].tensors += 1
    formats[place].bytes += ByteCount(bytes)
    formats[place].squares += squares
    formats[place].signal += signal
  }

  /// The members of the answer of `compress` (docs/json.md).
  package var members: [JSON.Member] {
    [
      .init("model", .string(model)), .init("variant", .string(variant)), .init("source", .string(source)),
      .init("output", .string(output)), .init("calibration", calibration.map { .string($0) } ?? .null),
      .init("sourceBytes", .integer(sourceBytes.bytes)), .init("fileBytes", .integer(bytes.bytes)),
      .init("bitsPerWeight", .number(bitsPerWeight)), .init("seconds", .number(seconds)),
      .init(
        "formats",
        .array(
          formats.map {
            [
              "format": .string($0.name), "tensors": .integer(Int64($0.tensors)),
              "tensorBytes": .integer($0.bytes.bytes), "relativeError": .number($0.relativeError),
            ]
          })),
    ]
  }
}
