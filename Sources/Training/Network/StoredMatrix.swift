// SPDX-License-Identifier: Apache-2.0
internal import Inference
internal import LanguageModel
package import ModelFiles

/// A tensor as it is stored: in any format that decodes to floats.
///
/// A frozen weight stays so and is decoded whenever it is multiplied: the base of a QLoRA takes its quantised size.
package struct StoredMatrix: @unchecked Sendable {
  package let rows: Int
  package let columns: Int
  /// The stored bytes.
  let bytes: UnsafeRawBufferPointer
  private let coding: Coding
  /// Keeps the bytes alive.
  private let owner: AnyObject

  /// Nil for a format of no floats.
  package init?(tensor index: Int, of source: any WeightSource) {
    let tensor = source.inventory.tensors[index]
    guard case .block(let format) = tensor.format, let codec = BlockCodec(format) else { return nil }
    (rows, columns) = (Int(tensor.rows), Int(tensor.columns))
    bytes = source.bytes(ofTensor: index)
    coding = .blocks(codec)
    owner = source
  }

  /// Numbers given as they are.
  init?(_ values: NumberBuffer<Float>, rows: Int, columns: Int) {
    guard let codec = BlockCodec(.f32) else { return nil }
    (self.rows, self.columns, coding) = (rows, columns, .blocks(codec))
    bytes = UnsafeRawBufferPointer(start: values.address, count: values.count * MemoryLayout<Float>.stride)
    owner = values
  }

  private enum Coding {
    case blocks(BlockCodec)
    case levels(LevelCodec)
  }

  /// The format in a file; nil for numbers that were rounded here.
  var format: BlockFormat? { if case .blocks(let codec) = coding { codec.format } else { nil } }

  /// The same numbers rounded to sixteen levels, in memory of their own; itself where rows are no whole blocks.
  func rounded(by codec: LevelCodec) -> StoredMatrix {
    guard columns % codec.format.elementsPerBlock == 0 else { return self }
    return StoredMatrix(self, codec)
  }

  private init(_ matrix: StoredMatrix, _ codec: LevelCodec) {
    (rows, columns, coding) = (matrix.rows, matrix.columns, .levels(codec))
    let blocks = OwnedBytes(count: rows * codec.byteCount(of: columns))
    let row = NumberBuffer<Float>(columns)
    for index in 0..<rows {
      matrix.decode(rows: index..<index + 1, into: row.address)
      let encoded = codec.encode(UnsafeBufferPointer(start: row.address, count: columns))
      blocks.store(encoded, at: index * encoded.count)
    }
    (bytes, owner) = (UnsafeRawBufferPointer(blocks.bytes), blocks)
  }

  /// The numbers where they lie; nil when they must be decoded.
  func inPlace<Number>(as type: Number.Type) -> UnsafePointer<Number>? {
    guard type == Float.self, format == .f32, let base = bytes.baseAddress,
      Int(bitPattern: base) % MemoryLayout<Float>.alignment == 0
    else { return nil }
    return base.assumingMemoryBound(to: Number.self)
  }

  /// Decodes some rows.
  func decode<Number: TrainingNumber>(rows range: Range<Int>, into out: UnsafeMutablePointer<Number>) {
    guard let base = bytes.baseAddress else { return }
    let rowBytes = bytes.count / max(1, rows)
    withUnsafeTemporaryAllocation(of: Float.self, capacity: columns) { row in
      for (place, index) in range.enumerated() {
        switch coding {
        case .blocks(let codec): codec.decode(base + index * rowBytes, into: row)
        case .levels(let codec): codec.decode(base + index * rowBytes, into: row)
        }
        let out = out + place * columns
        for i in 0..<columns { out[i] = Number(row[i]) }
      }
    }
  }
}

/// Bytes that live as long as this object.
private final class OwnedBytes {
  let bytes: UnsafeMutableRawBufferPointer

  init(count: Int) { bytes = .allocate(byteCount: count, alignment: 64) }
  deinit { bytes.deallocate() }

  func store(_ part: [UInt8], at offset: Int) {
    UnsafeMutableRawBufferPointer(rebasing: bytes[offset..<offset + part.count]).copyBytes(from: part)
  }
}
