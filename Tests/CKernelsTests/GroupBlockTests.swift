// SPDX-License-Identifier: Apache-2.0
import CKernels
import LanguageModel
import TestSupport
import Testing

@Suite struct GroupBlockTests {
  private let portable = ck_kernels_for(CK_PORTABLE)

  private func decode(_ type: ck_type, _ blocks: [UInt8], count: Int) -> [Float] {
    var values = [Float](repeating: 777, count: count)
    ck_decoder_of(portable, Int32(type.rawValue))?(blocks, &values, Int64(count))
    return values
  }

  private func half(_ value: Float) -> [UInt8] {
    let bits = ck_float_to_half(value)
    return [UInt8(bits & 255), UInt8(bits >> 8)]
  }

  @Test(arguments: [(CK_INT4_G32, 32), (CK_INT4_G64, 64), (CK_INT4_G128, 128)])
  func `a nibble is its scale times its distance from the zero point`(type: ck_type, group: Int) {
    let codes = (0..<group).map { $0 * 7 % 16 }
    var block = half(0.25) + [6] + [UInt8](repeating: 0, count: group / 2)
    // Sixteen columns in low halves, the next sixteen in the high halves of the same bytes.
    for (column, code) in codes.enumerated() {
      block[3 + column / 32 * 16 + column % 16] |= UInt8(code) << (column % 32 / 16 * 4)
    }
    #expect(decode(type, block, count: group) == codes.map { 0.25 * Float($0 - 6) })
  }

  @Test func `a byte with a zero point is its scale times its distance from it`() {
    for (type, group) in [(CK_UINT8_G32, 32), (CK_UINT8_G128, 128)] {
      let codes = (0..<group).map { UInt8($0 * 37 % 256) }
      #expect(decode(type, half(0.5) + [200] + codes, count: group) == codes.map { 0.5 * Float(Int($0) - 200) })
    }
  }

  @Test func `a signed byte is a multiple of its scale`() {
    let codes = (0..<128).map { Int8(truncatingIfNeeded: $0 * 37) }
    let block = half(-0.5) + codes.map { UInt8(bitPattern: $0) }
    #expect(decode(CK_INT8_G128, block, count: 128) == codes.map { -0.5 * Float($0) })
  }

  @Test(arguments: [(CK_NF4, FourBitLevels.normal), (CK_FP4, FourBitLevels.float)])
  func `sixteen levels are multiples of the block's absmax`(type: ck_type, levels: [Float]) {
    var block = half(2) + [UInt8](repeating: 0, count: 32)
    for column in 0..<64 { block[2 + column / 32 * 16 + column % 16] |= UInt8(column % 16) << (column % 32 / 16 * 4) }
    #expect(decode(type, block, count: 64) == (0..<64).map { 2 * levels[$0 % 16] })
  }

  /// E4M3: a sign, four bits of exponent with bias 7, three of fraction.
  @Test func `every 8-bit float has the value of its fields`() {
    let codes = (0..<256).map { UInt8($0) }
    let values = decode(CK_FP8, half(256) + codes.prefix(128) + half(256) + codes.suffix(128), count: 256)
    for code in codes where code & 0x7F != 0x7F {
      let (exponent, fraction) = (Int(code >> 3 & 15), Float(code & 7) / 8)
      let magnitude =
        exponent == 0
        ? fraction * 0x1p-6 : (1 + fraction) * Float(sign: .plus, exponent: exponent - 7, significand: 1)
      #expect(values[Int(code)] == (code < 128 ? magnitude : -magnitude), "\(code)")
    }
  }

  @Test func `two of four kept halves stand where their places say`() {
    // Places 0 and 3 of the first group, 1 and 2 of the second; the rest at 0 and 1.
    var places: UInt32 = 0b10_01_11_00
    for group in 2..<8 { places |= 0b01_00 << UInt32(4 * group) }
    let values = (1...16).map { Float($0) }
    let block = withUnsafeBytes(of: places.littleEndian, Array.init) + values.flatMap(half)
    let decoded = decode(CK_SPARSE_2_4, block, count: 32)
    #expect(decoded.prefix(12) == [1, 0, 0, 2, 0, 3, 4, 0, 5, 6, 0, 0])
  }

  @Test func `four of eight kept halves stand where their places say`() {
    let numbers: [UInt32] = [0, 2, 5, 7, 1, 3, 4, 6]
    let word = numbers.enumerated().reduce(UInt32(0)) { $0 | $1.element << UInt32(3 * $1.offset) }
    let words = withUnsafeBytes(of: word.littleEndian, Array.init)
    let block = words + words + (1...16).flatMap { half(Float($0)) }
    let decoded = decode(CK_SPARSE_4_8, block, count: 32)
    #expect(decoded.prefix(16) == [1, 0, 2, 0, 0, 3, 0, 4, 0, 5, 0, 6, 7, 0, 8, 0])
    #expect(decoded.suffix(16).prefix(3) == [9, 0, 10])
  }

  @Test func `the runtime's formats have the sizes of the kernels' blocks`() {
    for format in RuntimeFormat.groups {
      #expect(ck_block_elements(format.kernelType) == Int64(format.elementsPerBlock), "\(format.name)")
      #expect(ck_block_bytes(format.kernelType) == Int64(format.bytesPerBlock), "\(format.name)")
    }
  }
}
