// SPDX-License-Identifier: Apache-2.0
package import Quantities

/// How the numbers of one tensor are stored.
package enum StorageFormat: Hashable, Sendable {
  /// Fixed blocks of elements along a row, as every GGUF type has.
  case block(BlockFormat)
  /// Integers of `bits` packed into 32-bit words, with a 16-bit scale and a packed zero point per group of
  /// `group` inputs (AutoAWQ's GEMM layout). A group of 0 is a whole row.
  case awq(bits: UInt8, group: UInt16)
  /// As AWQ, plus one 32-bit group index per input column (AutoGPTQ). With `actOrder` the groups are no neighbours:
  /// columns were quantised in the order of their activations.
  case gptq(bits: UInt8, group: UInt16, actOrder: Bool = false)
  /// 4-bit normal-float, a 32-bit absmax per 64 elements; double quantisation stores the absmax in 8 bits with a
  /// 32-bit absmax per 256 of them (bitsandbytes; QLoRA, arXiv 2305.14314).
  case normalFloat4(isDoubleQuantised: Bool)
  /// The same with 4-bit floats: a sign, two bits of exponent and one of fraction.
  case float4(isDoubleQuantised: Bool)
  /// 8-bit integers with a 32-bit absmax per output row (LLM.int8(), arXiv 2208.07339).
  case int8PerRow
  /// 8-bit integers with a 16-bit scale per output row (W8A8; compressed-tensors).
  case int8PerChannel
  /// 8-bit floats (E4M3) with one 32-bit scale per tensor.
  case float8PerTensor
  /// 8-bit floats (E4M3) with a 32-bit scale per square of 128 × 128 (DeepSeek-V3, arXiv 2412.19437).
  case float8PerBlock
  /// 16-bit floats of which only some are stored.
  case sparse(SparsePattern)

  package static let f32 = StorageFormat.block(.f32)
  package static let f16 = StorageFormat.block(.f16)
  package static let bf16 = StorageFormat.block(.bf16)

  /// Bytes of a matrix of `rows` outputs and `columns` inputs (one of a stack: an expert).
  ///
  /// - Source: layouts as named at each case; block bytes from the GGUF specification.
  package func bytes(rows: Int, columns: Int) -> ByteCount {
    let elements = rows * columns
    switch self {
    case .block(let format):
      let blocksPerRow = (columns + format.elementsPerBlock - 1) / format.elementsPerBlock
      return ByteCount(rows * blocksPerRow * format.bytesPerBlock)
    case .awq(let bits, let group): return packed(rows: rows, columns: columns, bits: Int(bits), group: Int(group))
    case .gptq(let bits, let group, _):
      return packed(rows: rows, columns: columns, bits: Int(bits), group: Int(group)) + ByteCount(columns * 4)
    case .normalFloat4(let isDoubleQuantised), .float4(let isDoubleQuantised):
      let blocks = (elements + 63) / 64
      let absmax = isDoubleQuantised ? blocks + (blocks + 255) / 256 * 4 + 4 : blocks * 4
      return ByteCount((elements + 1) / 2 + absmax)
    case .int8PerRow: return ByteCount(elements + rows * 4)
    case .int8PerChannel: return ByteCount(elements + rows * 2)
    case .float8PerTensor: return ByteCount(elements + 4)
    case .float8PerBlock: return ByteCount(elements + (rows + 127) / 128 * ((columns + 127) / 128) * 4)
    case .sparse(let pattern): return ByteCount(Int((Double(elements) * pattern.bitsPerWeight / 8).rounded(.up)))
    }
  }

  private func packed(rows: Int, columns: Int, bits: Int, group: Int) -> ByteCount {
    let groups = group == 0 ? 1 : (columns + group - 1) / group
    let zeroPoints = groups * ((rows * bits + 31) / 32) * 4
    return ByteCount((columns * bits + 31) / 32 * 4 * rows + groups * rows * 2 + zeroPoints)
  }

  /// Whether products want the input copied first: in the order of the columns, or without what is multiplied apart.
  package var copiesInput: Bool {
    switch self {
    case .gptq(_, _, let actOrder): actOrder
    case .int8PerRow: true
    default: false
    }
  }

  /// Inputs of at least this magnitude are multiplied apart from 8-bit integers, in floats.
  ///
  /// - Source: LLM.int8(), arXiv 2208.07339, section 3.2; bitsandbytes' `llm_int8_threshold`.
  package static let outlierThreshold: Float = 6

  /// The format's name in variants, files and answers.
  package var name: String {
    switch self {
    case .block(let format): format.rawValue
    case .awq(let bits, let group): "awq\(bits)-\(Self.text(group))"
    case .gptq(let bits, let group, let actOrder): "gptq\(bits)-\(Self.text(group))\(actOrder ? "-act" : "")"
    case .normalFloat4(let isDoubleQuantised): isDoubleQuantised ? "nf4-dq" : "nf4"
    case .float4(let isDoubleQuantised): isDoubleQuantised ? "fp4-dq" : "fp4"
    case .int8PerRow: "int8"
    case .int8PerChannel: "w8a8"
    case .float8PerTensor: "fp8"
    case .float8PerBlock: "fp8-block"
    case .sparse(let pattern): pattern.name
    }
  }

  private static func text(_ group: UInt16) -> String { group == 0 ? "row" : "g\(group)" }
}
