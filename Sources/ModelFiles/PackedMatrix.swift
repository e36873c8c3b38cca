// SPDX-License-Identifier: Apache-2.0
internal import JSONText
internal import LanguageModel

/// One quantised matrix of a checkpoint: where its parts are, held against its shape.
struct PackedMatrix: @unchecked Sendable {
  let rows: Int
  let columns: Int
  /// Matrices of this shape one behind the other: experts.
  var copies = 1
  let format: StorageFormat
  let codes: Codes
  /// The tensors of the file that it is made of.
  let parts: [Int]
  /// The input of each column, where the columns of a group are no neighbours; else empty.
  var order: [Int32] = []

  /// Where codes, scales and zero points lie; addresses are valid while the file is mapped.
  enum Codes {
    case awq(words: UnsafeRawPointer, zeros: UnsafeRawPointer, scales: Numbers, group: Int)
    case gptq(
      words: UnsafeRawPointer, zeros: UnsafeRawPointer, scales: Numbers, bits: Int, group: Int, zeroOffset: Int)
    /// Four-bit codes and what their levels are multiplied with, a number per 64 of them.
    case levels(bytes: UnsafeRawPointer, absmax: [Float], isNormal: Bool)
    /// A byte per element; the scale of a square, a row or all.
    case bytes(UnsafeRawPointer, scales: Numbers, block: Int, perRow: Bool, factor: Float)
    /// The weights that are not zero.
    case kept(KeptWeights)
    /// Blocks of four-bit floats with a power of two.
    case microscaled(MicroscaledRows)
  }

  /// Nil for a tensor that is no quantised matrix.
  ///
  /// - Throws: `ModelFileError.malformed` when a part is missing or of another size than the matrix wants.
  init?(_ name: String, _ layout: CheckpointLayout, _ all: CheckpointParts) throws(ModelFileError) {
    var finder = PartFinder(name: name, all: all)
    switch layout {
    case .awq(let bits, let group):
      guard name.hasSuffix(".qweight"), let words = try finder.own(elementBytes: 4) else { return nil }
      let shape = all.tensor(finder.parts[0])
      (rows, columns) = (Int(shape.columns) * 32 / bits, Int(shape.rows))
      let size = group == 0 ? columns : group
      let groups = (columns + size - 1) / size
      codes = .awq(
        words: words, zeros: try finder.part("qzeros", bytes: groups * Int(shape.columns) * 4),
        scales: try finder.numbers("scales", count: groups * rows), group: size)
      format = layout.format
    case .gptq(let bits, let group, _, let zeroOffset):
      guard name.hasSuffix(".qweight"), let words = try finder.own(elementBytes: 4) else { return nil }
      let shape = all.tensor(finder.parts[0])
      (rows, columns) = (Int(shape.columns), Int(shape.rows) * 32 / bits)
      let size = group == 0 ? columns : group
      let groups = (columns + size - 1) / size
      codes = .gptq(
        words: words, zeros: try finder.part("qzeros", bytes: groups * ((rows * bits + 31) / 32) * 4),
        scales: try finder.numbers("scales", count: groups * rows), bits: bits, group: size, zeroOffset: zeroOffset)
      order = try finder.order(columns: columns, group: size)
      format = .gptq(bits: UInt8(bits), group: UInt16(clamping: group), actOrder: !order.isEmpty)
    case .fourBitLevels:
      guard let state = CheckpointLayout.levelState(of: name, all) else { return nil }
      let levels = try finder.levels(state: state)
      (rows, columns) = levels.shape
      codes = .levels(bytes: levels.bytes, absmax: levels.absmax, isNormal: levels.isNormal)
      format = levels.format
    case .int8Rows:
      let scales = finder.sibling("SCB")
      guard all.has(scales), let bytes = try finder.own(elementBytes: 1) else { return nil }
      let shape = all.tensor(finder.parts[0])
      (rows, columns) = (Int(shape.rows), Int(shape.columns))
      codes = .bytes(
        bytes, scales: try finder.numbers("SCB", count: rows), block: 0, perRow: true, factor: 1 / 127)
      format = layout.format
    case .scaled(let isFloat, let hasBlocks):
      let suffix = hasBlocks && all.has(finder.sibling("weight_scale_inv")) ? "weight_scale_inv" : "weight_scale"
      guard all.has(finder.sibling(suffix)), let bytes = try finder.own(elementBytes: 1) else { return nil }
      let shape = all.tensor(finder.parts[0])
      (rows, columns) = (Int(shape.rows), Int(shape.columns))
      let size = CheckpointLayout.scaleBlock
      let perRow = !hasBlocks && finder.count(suffix) > 1
      let count = hasBlocks ? (rows + size - 1) / size * ((columns + size - 1) / size) : perRow ? rows : 1
      codes = .bytes(
        bytes, scales: try finder.numbers(suffix, count: count), block: hasBlocks ? size : 0, perRow: perRow, factor: 1)
      format = isFloat ? hasBlocks ? .float8PerBlock : .float8PerTensor : .int8PerChannel
    // Several matrices of one tensor: see `all`.
    case .microscaledExperts: return nil
    case .bitmask(let twoOfFour):
      guard name.hasSuffix(".compressed") else { return nil }
      let kept = try finder.keptWeights(twoOfFour: twoOfFour)
      (rows, columns) = (kept.starts.count, kept.columns)
      codes = .kept(kept)
      format = .sparse(
        twoOfFour ? .structured(kept: 2, of: 4) : .unstructured(keptPermille: UInt16(kept.permilleOfFullest)))
    }
    try finder.check(rows: rows, columns: columns)
    parts = finder.parts
  }
}

/// Numbers of a part, in the type that the file has.
struct Numbers {
  let address: UnsafeRawPointer
  let format: BlockFormat

  subscript(index: Int) -> Float {
    switch format {
    case .f32: address.loadUnaligned(fromByteOffset: index * 4, as: Float.self)
    case .bf16:
      Float(bitPattern: UInt32(address.loadUnaligned(fromByteOffset: index * 2, as: UInt16.self)) << 16)
    default: Float(address.loadUnaligned(fromByteOffset: index * 2, as: Float16.self))
    }
  }
}
