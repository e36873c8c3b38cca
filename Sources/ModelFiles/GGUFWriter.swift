// SPDX-License-Identifier: Apache-2.0
package import LanguageModel

/// Lays out a GGUF version 3 file: metadata, tensor table, and tensors in the order in which they were added.
package struct GGUFWriter: Sendable {
  package private(set) var metadata = GGUFMetadata()
  package private(set) var tensors: [GGUFTensor] = []
  package let alignment: Int
  private var nextOffset = 0

  /// - Precondition: `alignment` is a power of two.
  package init(alignment: Int = GGUFHeader.defaultAlignment) {
    precondition(alignment >= 8 && alignment & (alignment - 1) == 0, "alignment \(alignment) is no power of two")
    self.alignment = alignment
    if alignment != GGUFHeader.defaultAlignment { set("general.alignment", .uint32(UInt32(alignment))) }
  }

  /// Adds a metadata pair.
  ///
  /// - Precondition: the key is new.
  package mutating func set(_ key: String, _ value: GGUFValue) {
    let isNew = metadata.append(key, value)
    precondition(isNew, "the key \(key) is written twice")
  }

  /// Adds a tensor; its bytes are given when the file is written.
  ///
  /// - Parameter dimensions: the contiguous one first: a matrix is (inputs, outputs).
  /// - Precondition: the first dimension is a whole number of blocks.
  package mutating func add(tensor name: String, dimensions: [Int], format: BlockFormat) {
    let row = dimensions.first ?? 1
    precondition(row % format.elementsPerBlock == 0, "\(name): row of \(row) is no multiple of a block")
    let byteCount = dimensions.reduce(1, *) / format.elementsPerBlock * format.bytesPerBlock
    tensors.append(
      GGUFTensor(name: name, dimensions: dimensions, format: format, offset: nextOffset, byteCount: byteCount))
    nextOffset += aligned(byteCount)
  }

  /// Bytes of the finished file: header, and every tensor padded to the alignment.
  package var fileBytes: Int { headerBytes().count + nextOffset }

  /// Everything before the first tensor's data, padding included.
  package func headerBytes() -> [UInt8] {
    var out = GGUFHeader.magic
    append(UInt32(3), to: &out)
    append(UInt64(tensors.count), to: &out)
    append(UInt64(metadata.count), to: &out)
    for key in metadata.keys {
      guard let value = metadata[key] else { continue }
      append(text: key, to: &out)
      append(value.type.rawValue, to: &out)
      append(value, to: &out)
    }
    for tensor in tensors {
      append(text: tensor.name, to: &out)
      append(UInt32(tensor.dimensions.count), to: &out)
      for length in tensor.dimensions { append(UInt64(length), to: &out) }
      append(tensor.format.ggufType, to: &out)
      append(UInt64(tensor.offset), to: &out)
    }
    out.append(contentsOf: repeatElement(0, count: aligned(out.count) - out.count))
    return out
  }

  func aligned(_ count: Int) -> Int { (count + alignment - 1) / alignment * alignment }

  private func append<Number: FixedWidthInteger>(_ number: Number, to out: inout [UInt8]) {
    withUnsafeBytes(of: number.littleEndian) { out.append(contentsOf: $0) }
  }

  private func append(text: String, to out: inout [UInt8]) {
    append(UInt64(text.utf8.count), to: &out)
    out.append(contentsOf: text.utf8)
  }

  private func append(_ value: GGUFValue, to out: inout [UInt8]) {
    switch value {
    case .uint8(let number): append(number, to: &out)
    case .int8(let number): append(number, to: &out)
    case .uint16(let number): append(number, to: &out)
    case .int16(let number): append(number, to: &out)
    case .uint32(let number): append(number, to: &out)
    case .int32(let number): append(number, to: &out)
    case .uint64(let number): append(number, to: &out)
    case .int64(let number): append(number, to: &out)
    case .float32(let number): append(number.bitPattern, to: &out)
    case .float64(let number): append(number.bitPattern, to: &out)
    case .bool(let flag): append(UInt8(flag ? 1 : 0), to: &out)
    case .string(let text): append(text: text, to: &out)
    case .array(let array): append(array, to: &out)
    }
  }

  private func append(_ array: GGUFArray, to out: inout [UInt8]) {
    append(array.elementType.rawValue, to: &out)
    append(UInt64(array.count), to: &out)
    out.append(contentsOf: array.storage)
    for element in array.nested { append(element, to: &out) }
  }
}
