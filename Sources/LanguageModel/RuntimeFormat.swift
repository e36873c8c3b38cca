// SPDX-License-Identifier: Apache-2.0
package import Quantities

/// How the built-in runtime keeps a matrix in memory: blocks along a row, as its kernels read them.
///
/// Formats of GGUF files stay as they are. Those of Hugging Face checkpoints, which spread a matrix over several tensors,
/// become blocks of the same codes, each with its group's scale as a half. A row that is no whole number of blocks
/// becomes 16-bit floats.
package struct RuntimeFormat: Hashable, Sendable {
  /// The kernels' type number: a GGUF type's, or one behind them.
  package let kernelType: Int32
  package let elementsPerBlock: Int
  package let bytesPerBlock: Int
  /// The name in calibrations.
  package let name: String

  package init(_ format: BlockFormat) {
    kernelType = Int32(truncatingIfNeeded: format.ggufType)
    elementsPerBlock = format.elementsPerBlock
    bytesPerBlock = format.bytesPerBlock
    name = format.rawValue
  }

  private init(_ kernelType: Int32, _ elements: Int, _ bytes: Int, _ name: String) {
    self.kernelType = kernelType
    elementsPerBlock = elements
    bytesPerBlock = bytes
    self.name = name
  }

  /// Nibbles with a scale and an 8-bit zero point: x = scale · (code − zero).
  package static let int4 = [128, 64, 32].enumerated().map { index, group in
    RuntimeFormat(66 - Int32(index), group, 3 + group / 2, "int4-g\(group)")
  }
  /// Bytes with a scale and a zero point.
  package static let uint8 = [128, 32].enumerated().map { index, group in
    RuntimeFormat(68 - Int32(index), group, 3 + group, "uint8-g\(group)")
  }
  /// Signed bytes with a scale.
  package static let int8 = RuntimeFormat(69, 128, 130, "int8-g128")
  /// Places in a table of sixteen levels, with a scale.
  package static let normalFloat4 = RuntimeFormat(70, 64, 34, "nf4")
  package static let float4 = RuntimeFormat(71, 64, 34, "fp4")
  /// Floats of eight bits (E4M3), with 256 times their scale.
  package static let float8 = RuntimeFormat(72, 128, 130, "fp8")

  /// Halves of which two of four or four of eight are kept, with their places.
  package static let sparse2of4 = RuntimeFormat(73, 32, 36, "sparse-2:4")
  package static let sparse4of8 = RuntimeFormat(74, 32, 40, "sparse-4:8")

  /// Rows of which any weights are kept as halves, a whole row to a block: found by a mask of one bit per column, or, where
  /// few are kept, by a list of their columns, which takes more bytes down to a sixteenth but is read faster.
  ///
  /// - Parameter permille: of the fullest row; every row has room for as many.
  /// - Returns: nil where rows do not fit the kernels, and where floats of 16 bits take no more.
  package static func keptRows(permille: Int, columns: Int) -> RuntimeFormat? {
    let room = max(1, SparsePattern.kept(permille: permille, of: columns))
    let isList = permille <= mostListedPermille && columns <= 1 << 16
    let bytes = isList ? room * 4 : room * 2 + max(leastMaskBytes, columns / 8)
    guard columns % 64 == 0, bytes < columns * 2 else { return nil }
    return RuntimeFormat(isList ? 76 : 75, columns, bytes, SparsePattern.name(keptPermille: permille))
  }

  /// Up to so many kept weights a list is read at least twice as fast as a mask (docs/decisions/0023).
  package static let mostListedPermille = 100

  /// Kernels read as many bytes behind the last kept weight, which must be the row's own.
  private static let leastMaskBytes = 32

  /// Kept weights that a row has room for.
  package var keptRoom: Int {
    isKeptList ? bytesPerBlock / 4 : (bytesPerBlock - max(Self.leastMaskBytes, elementsPerBlock / 8)) / 2
  }

  /// Whether a block is a row of kept weights, found by a mask or by a list.
  package var isKeptRow: Bool { kernelType == 75 || kernelType == 76 }
  package var isKeptList: Bool { kernelType == 76 }

  /// The row length that kept rows are compared at.
  package static let referenceColumns = 2048

  /// The format that calibrations call so, rows of kept weights at the length they are compared at.
  package static func named(_ name: String) -> RuntimeFormat? {
    if let kept = SparsePattern.keptPermille(of: name) { return keptRows(permille: kept, columns: referenceColumns) }
    return BlockFormat(rawValue: name).map(RuntimeFormat.init) ?? groups.first { $0.name == name }
  }

  /// Formats beside those of GGUF files.
  package static let groups: [RuntimeFormat] =
    int4 + uint8 + [int8, normalFloat4, float4, float8, sparse2of4, sparse4of8]

  package var bitsPerWeight: Double { Double(bytesPerBlock * 8) / Double(elementsPerBlock) }

  /// Bytes of a matrix.
  package func bytes(rows: Int, columns: Int) -> ByteCount {
    ByteCount(rows * ((columns + elementsPerBlock - 1) / elementsPerBlock) * bytesPerBlock)
  }
}

extension StorageFormat {
  /// How the runtime keeps rows of `columns` elements; nil for a format that it does not run.
  package func runtimeFormat(columns: Int) -> RuntimeFormat? {
    let candidates: [RuntimeFormat]
    switch self {
    case .block(let format): return RuntimeFormat(format)
    case .awq(let bits, let group), .gptq(let bits, let group, _):
      candidates = (bits == 8 ? RuntimeFormat.uint8 : RuntimeFormat.int4).filter {
        Int(group) % $0.elementsPerBlock == 0
      }
    case .normalFloat4: candidates = [.normalFloat4]
    case .float4: candidates = [.float4]
    case .int8PerRow, .int8PerChannel: candidates = [.int8, RuntimeFormat(.q8_0)]
    case .float8PerTensor, .float8PerBlock: candidates = [.float8]
    case .sparse(.structured(kept: 2, of: 4)): candidates = [.sparse2of4]
    case .sparse(.structured(kept: 4, of: 8)): candidates = [.sparse4of8]
    case .sparse(let pattern):
      return RuntimeFormat.keptRows(permille: pattern.keptPermille, columns: columns) ?? RuntimeFormat(.f16)
    }
    return candidates.first { columns % $0.elementsPerBlock == 0 } ?? RuntimeFormat(.f16)
  }
}

extension TensorDescription {
  /// How the runtime keeps it; nil for what it does not run.
  package var runtimeFormat: RuntimeFormat? { format.runtimeFormat(columns: Int(columns)) }

  /// Whether the runtime keeps its columns in another order, listed behind its rows as 32-bit places in the input.
  package var hasOrder: Bool { if case .gptq(_, _, actOrder: true) = format { true } else { false } }

  /// Bytes in the runtime's memory, without alignment.
  package var runtimeBytes: ByteCount {
    guard let runtimeFormat else { return bytes }
    let matrix = runtimeFormat.bytes(rows: Int(rows), columns: Int(columns)) * Int(copies)
    return matrix + ByteCount(hasOrder ? Int(columns) * 4 : 0)
  }
}
