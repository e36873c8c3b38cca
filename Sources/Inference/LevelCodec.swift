// SPDX-License-Identifier: Apache-2.0
import CKernels
package import LanguageModel

/// Rounds floats to the sixteen levels of NF4 or FP4 and back: 64 elements share their largest magnitude.
///
/// - Source: QLoRA (arXiv 2305.14314), section 3; the block is the runtime's (half scale, nibbles).
package struct LevelCodec: @unchecked Sendable {
  package let format: RuntimeFormat
  private let decoder: ck_decoder
  /// The level of each code.
  private let levels: [Float]

  /// Nil for a format of no levels.
  package init?(_ format: RuntimeFormat) {
    guard format == .normalFloat4 || format == .float4,
      let decoder = ck_decoder_of(KernelSet.best.row, format.kernelType)
    else { return nil }
    self.format = format
    self.decoder = decoder
    levels = format == .normalFloat4 ? FourBitLevels.normal : FourBitLevels.float
  }

  package func byteCount(of elements: Int) -> Int { elements / format.elementsPerBlock * format.bytesPerBlock }

  /// The values of whole blocks.
  package func decode(_ blocks: UnsafeRawPointer, into values: UnsafeMutableBufferPointer<Float>) {
    guard let address = values.baseAddress else { return }
    decoder(blocks, address, Int64(values.count))
  }

  /// The blocks of finite values, a whole number of blocks: each value becomes the nearest level.
  package func encode(_ values: UnsafeBufferPointer<Float>) -> [UInt8] {
    stride(from: 0, to: values.count, by: format.elementsPerBlock).flatMap { start in
      let group = values[start..<start + format.elementsPerBlock]
      let scale = Float16(group.reduce(0) { max($0, abs($1)) })
      return Self.block(scale: scale, codes: group.map { code(of: scale > 0 ? $0 / Float(scale) : 0) })
    }
  }

  private func code(of value: Float) -> UInt8 {
    var best = 0
    for index in levels.indices where abs(levels[index] - value) < abs(levels[best] - value) { best = index }
    return UInt8(best)
  }

  /// Element i stands in byte i / 32 · 16 + i mod 16, the later sixteen of each 32 in the high halves.
  private static func block(scale: Float16, codes: [UInt8]) -> [UInt8] {
    var block = [UInt8](repeating: 0, count: 2 + codes.count / 2)
    block[0] = UInt8(truncatingIfNeeded: scale.bitPattern)
    block[1] = UInt8(truncatingIfNeeded: scale.bitPattern >> 8)
    for (index, code) in codes.enumerated() {
      block[2 + index / 32 * 16 + index % 16] |= code << UInt8(index % 32 / 16 * 4)
    }
    return block
  }
}
