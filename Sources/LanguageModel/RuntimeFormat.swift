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

  /// Formats beside those of GGUF files.
  package static let groups: [RuntimeFormat] =
    int4 + uint8 + [int8, normalFloat4, float4, float8, sparse2of4, sparse4of8]

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
    case .sparse: return nil
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
