// SPDX-License-Identifier: Apache-2.0
package import LanguageModel

/// All of a GGUF file but its weights: metadata, and where each tensor lies.
package struct GGUFHeader: Sendable {
  package let version: UInt32
  package let metadata: GGUFMetadata
  package let tensors: [GGUFTensor]
  /// Bytes to whose multiples the data and each tensor in it are padded.
  package let alignment: Int
  /// Where the tensors' data begins, in bytes from the start of the file.
  package let dataOffset: Int

  package static let magic: [UInt8] = Array("GGUF".utf8)
  package static let supportedVersions: ClosedRange<UInt32> = 2...3
  /// `general.alignment` when a file does not say (GGUF specification).
  package static let defaultAlignment = 32

  /// Bytes of the tensors, padding left out.
  package var tensorBytes: Int { tensors.reduce(0) { $0 + $1.byteCount } }
}

/// One entry of a GGUF file's tensor table.
package struct GGUFTensor: Sendable, Equatable {
  package let name: String
  /// Lengths as the file lists them, the contiguous one first: a matrix is (inputs, outputs).
  package let dimensions: [Int]
  package let format: BlockFormat
  /// From the start of the data, not of the file.
  package let offset: Int
  package let byteCount: Int

  package var elementCount: Int { dimensions.reduce(1, *) }
}

/// The metadata of a GGUF file, in the file's order.
package struct GGUFMetadata: Sendable, Equatable {
  package private(set) var keys: [String] = []
  private var values: [String: GGUFValue] = [:]

  package init() {}

  package subscript(key: String) -> GGUFValue? { values[key] }
  package var count: Int { keys.count }

  /// Adds a pair at the end; false when the key is there already.
  @discardableResult
  package mutating func append(_ key: String, _ value: GGUFValue) -> Bool {
    guard values.updateValue(value, forKey: key) == nil else { return false }
    keys.append(key)
    return true
  }
}
