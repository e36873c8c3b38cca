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
  private let codec: BlockCodec
  /// Keeps the bytes alive.
  private let owner: AnyObject

  /// Nil for a format of no floats.
  package init?(tensor index: Int, of source: any WeightSource) {
    let tensor = source.inventory.tensors[index]
    guard case .block(let format) = tensor.format, let codec = BlockCodec(format) else { return nil }
    (rows, columns) = (Int(tensor.rows), Int(tensor.columns))
    bytes = source.bytes(ofTensor: index)
    self.codec = codec
    owner = source
  }

  /// Numbers given as they are.
  init?(_ values: NumberBuffer<Float>, rows: Int, columns: Int) {
    guard let codec = BlockCodec(.f32) else { return nil }
    (self.rows, self.columns, self.codec) = (rows, columns, codec)
    bytes = UnsafeRawBufferPointer(start: values.address, count: values.count * MemoryLayout<Float>.stride)
    owner = values
  }

  var format: BlockFormat { codec.format }

  /// The numbers where they lie; nil when they must be decoded.
  func inPlace<Number>(as type: Number.Type) -> UnsafePointer<Number>? {
    guard type == Float.self, codec.format == .f32, let base = bytes.baseAddress,
      Int(bitPattern: base) % MemoryLayout<Float>.alignment == 0
    else { return nil }
    return base.assumingMemoryBound(to: Number.self)
  }

  /// Decodes some rows.
  func decode<Number: TrainingNumber>(rows range: Range<Int>, into out: UnsafeMutablePointer<Number>) {
    guard let base = bytes.baseAddress else { return }
    let rowBytes = codec.byteCount(of: columns)
    withUnsafeTemporaryAllocation(of: Float.self, capacity: columns) { row in
      for (place, index) in range.enumerated() {
        codec.decode(base + index * rowBytes, into: row)
        let out = out + place * columns
        for i in 0..<columns { out[i] = Number(row[i]) }
      }
    }
  }
}
