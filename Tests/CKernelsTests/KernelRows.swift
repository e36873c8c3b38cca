// SPDX-License-Identifier: Apache-2.0
import CKernels
import TestSupport
import TileEmulator

/// One row of the kernel table, which nobody writes.
struct KernelRow: @unchecked Sendable {
  let name: String
  let row: UnsafePointer<ck_kernels>
}

/// Every row that this processor can run, portable first.
func supportedRows() -> [KernelRow] {
  (0..<CK_ISA_COUNT.rawValue).compactMap { number in
    let isa = ck_isa(rawValue: number)
    guard ck_isa_supported(isa) != 0, let row = ck_kernels_for(isa) else { return nil }
    return KernelRow(name: String(cString: ck_isa_name(isa)), row: row)
  }
}

/// The row of tiles: by the processor's own instructions where it has them, else by an emulator that catches them.
let tileRow: KernelRow? = {
  guard ck_isa_supported(CK_AVX512_VNNI) != 0, let row = ck_kernels_for(CK_AMX) else { return nil }
  guard ck_tile_grant(nil) == CK_TILES_GRANTED || te_install() != 0 else { return nil }
  return KernelRow(name: "amx", row: row)
}()

/// Every row that attention can be tested on: the supported ones and, emulated if need be, the one of tiles.
func attentionRows() -> [KernelRow] {
  supportedRows().filter { $0.name != "amx" } + (tileRow.map { [$0] } ?? [])
}

/// What tiles add to the error of attention of many queries, for values of a weighted mean magnitude.
///
/// A score is off by 3 · 2⁻¹⁶ of its products' magnitudes: what two 16-bit floats leave of either side, and the product of
/// the two low ones. An error of a weight counts twice, above and below the line: that of its score, its rounding by 2⁻⁸
/// and its polynomial's 2⁻¹³. The rounding of a value counts once.
func tileError(_ kernels: KernelRow, width: Int, products: Double, value: Double) -> Double {
  guard kernels.name == "amx", width % 16 == 0 else { return 0 }
  return value * 1.02 * (2 * 3 * 0x1p-16 * products + 2 * (0x1p-8 + 0x1p-13) + 0x1p-8)
}

/// An input vector with all of its quantised forms, and what those forms stand for.
final class Input {
  let columns: Int
  let values: [Float]
  var q32: [Int8]
  var d32: [Float]
  var s32: [Float]
  var q256: [Int8]
  var d256: [Float]
  var sums256: [Int16]

  init(_ values: [Float], row: UnsafePointer<ck_kernels>) {
    columns = values.count
    self.values = values
    q32 = [Int8](repeating: 99, count: columns + 32)
    d32 = [Float](repeating: 99, count: columns / 32 + 1)
    s32 = d32
    q256 = q32
    d256 = [Float](repeating: 99, count: columns / 256 + 1)
    sums256 = [Int16](repeating: 99, count: columns / 16 + 16)
    row.pointee.quantize_32(values, Int64(columns / 32 * 32), &q32, &d32, &s32)
    row.pointee.quantize_256(values, Int64(columns / 256 * 256), &q256, &d256, &sums256)
  }

  func withActivations<Result>(_ body: (UnsafePointer<ck_activations>) -> Result) -> Result {
    values.withUnsafeBufferPointer { f32 in
      q32.withUnsafeBufferPointer { q32 in
        d32.withUnsafeBufferPointer { d32 in
          s32.withUnsafeBufferPointer { s32 in
            q256.withUnsafeBufferPointer { q256 in
              d256.withUnsafeBufferPointer { d256 in
                sums256.withUnsafeBufferPointer { sums256 in
                  var activations = ck_activations(
                    f32: f32.baseAddress, q32: q32.baseAddress, d32: d32.baseAddress, s32: s32.baseAddress,
                    q256: q256.baseAddress, d256: d256.baseAddress, sums256: sums256.baseAddress)
                  return body(&activations)
                }
              }
            }
          }
        }
      }
    }
  }

  /// What the matvec of this input form really multiplies with.
  func represented(as form: ck_input) -> [Double] {
    switch form {
    case CK_INPUT_BLOCKS_32: (0..<columns).map { Double(q32[$0]) * Double(d32[$0 / 32]) }
    case CK_INPUT_BLOCKS_256: (0..<columns).map { Double(q256[$0]) * Double(d256[$0 / 256]) }
    default: values.map(Double.init)
    }
  }
}

/// Rows of random blocks with sane scales, as bytes.
func randomWeights(type: Int32, rows: Int, columns: Int, seed: UInt64) -> [UInt8] {
  var random = SeededRandom(seed: seed)
  let blocks = rows * columns / Int(ck_block_elements(type))
  let size = Int(ck_block_bytes(type))
  var bytes = (0..<blocks * size).map { _ in UInt8.random(in: 0...255, using: &random) }
  func setHalf(_ block: Int, _ offset: Int) {
    let half = ck_float_to_half(Float.random(in: -0.02...0.02, using: &random))
    bytes[block * size + offset] = UInt8(half & 255)
    bytes[block * size + offset + 1] = UInt8(half >> 8)
  }
  // Where the half-precision scales of a block stand; 0 for the types not named.
  let scaleOffsets: [Int32: [Int]] = [
    3: [0, 2], 7: [0, 2], 10: [80, 82], 11: [108], 12: [0, 2], 13: [0, 2], 14: [208], 29: [], 34: [52], 35: [64],
    39: [],
  ]
  for block in 0..<blocks {
    switch type {
    case 0:
      let value = Float.random(in: -1...1, using: &random).bitPattern
      for byte in 0..<4 { bytes[block * 4 + byte] = UInt8(value >> (8 * byte) & 255) }
    case 1, 30:
      let value = Float.random(in: -1...1, using: &random)
      let word = type == 1 ? ck_float_to_half(value) : UInt16(value.bitPattern >> 16)
      bytes[block * 2] = UInt8(word & 255)
      bytes[block * 2 + 1] = UInt8(word >> 8)
    case 73, 74:  // every kept half
      for offset in stride(from: size - 32, to: size, by: 2) { setHalf(block, offset) }
    case 29: bytes[block * size + 55] &= 0x3F  // iq1_m's scale stays finite
    case 39: bytes[block * size] = 120 + bytes[block * size] % 8  // mxfp4's exponent stays near one
    default: for offset in scaleOffsets[type] ?? [0] { setHalf(block, offset) }
    }
  }
  return bytes
}

/// The same rows in panels of sixteen; those behind the last whole panel stay as they are.
func interleavedWeights(_ weights: [UInt8], type: Int32, rows: Int, columns: Int) -> [UInt8] {
  let rowBytes = weights.count / rows
  var panels = weights
  weights.withUnsafeBytes { bytes in
    panels.withUnsafeMutableBytes { panels in
      for row in stride(from: 0, to: rows / 16 * 16, by: 16) {
        ck_interleave(
          type, bytes.baseAddress.map { $0 + row * rowBytes }, Int64(columns) / ck_block_elements(type),
          panels.baseAddress.map { $0 + row * rowBytes })
      }
    }
  }
  return panels
}

/// Rows as the portable decoder reads them.
func decodedWeights(_ weights: [UInt8], type: Int32, count: Int) -> [Float] {
  var values = [Float](repeating: 0, count: count)
  weights.withUnsafeBytes { bytes in
    ck_decoder_of(ck_kernels_for(CK_PORTABLE), type)?(bytes.baseAddress, &values, Int64(count))
  }
  return values
}
