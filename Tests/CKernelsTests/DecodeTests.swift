// SPDX-License-Identifier: Apache-2.0
import CKernels
import Foundation
import Testing

/// The types with golden vectors (scripts/golden/decode-vectors), by GGUF number.
private let goldenTypes: [(name: String, type: Int32)] = [
  ("f16", 1), ("q4_0", 2), ("q4_1", 3), ("q5_0", 6), ("q5_1", 7), ("q8_0", 8), ("q2_k", 10), ("q3_k", 11),
  ("q4_k", 12), ("q5_k", 13), ("q6_k", 14), ("iq2_xxs", 16), ("iq2_xs", 17), ("iq3_xxs", 18), ("iq1_s", 19),
  ("iq4_nl", 20), ("iq3_s", 21), ("iq2_s", 22), ("iq4_xs", 23), ("iq1_m", 29), ("bf16", 30), ("tq1_0", 34),
  ("tq2_0", 35), ("mxfp4", 39),
]

@Suite struct DecodeTests {
  @Test(arguments: goldenTypes)
  func `every row of the table decodes as gguf-py does, bit for bit`(name: String, type: Int32) throws {
    let blocks = try vector("\(name).blocks")
    let expected = try vector("\(name).floats").withUnsafeBytes { Array($0.bindMemory(to: UInt32.self)) }
    for kernels in supportedRows() {
      let decode = try #require(ck_decoder_of(kernels.row, type))
      let guardWord: Float = 12345
      var decoded = [Float](repeating: guardWord, count: expected.count + 8)
      blocks.withUnsafeBytes { decode($0.baseAddress, &decoded, Int64(expected.count)) }
      let wrong = expected.indices.filter { !sameFloat(decoded[$0].bitPattern, expected[$0]) }
      #expect(wrong.isEmpty, "\(kernels.name): elements \(wrong.prefix(5))")
      #expect(decoded.suffix(8).allSatisfy { $0 == guardWord }, "bytes after the output stay untouched")
    }
  }

  @Test func `block sizes agree with the decoders' table`() {
    for (name, type) in goldenTypes {
      #expect(ck_block_elements(type) > 0, "\(name)")
      #expect(ck_block_bytes(type) > 0, "\(name)")
    }
    #expect(ck_block_bytes(99) == 0)
    #expect(ck_decoder_of(ck_kernels_for(CK_PORTABLE), 4) == nil)
  }

  @Test func `every half goes to a float and back unchanged, and agrees with the hardware's type`() {
    for bits in UInt16.min...UInt16.max {
      let value = ck_half_to_float(bits)
      #if arch(arm64) || arch(x86_64)
        let exponent = bits >> 10 & 31
        let fraction = Double(bits & 1023)
        let magnitude =
          exponent == 0
          ? fraction * 0x1p-24
          : (1 + fraction / 1024) * Double(sign: .plus, exponent: Int(exponent) - 15, significand: 1)
        if exponent < 31 { #expect(Double(value.magnitude) == magnitude) }
      #endif
      if !value.isNaN { #expect(ck_float_to_half(value) == bits) }
    }
  }

  @Test func `floats round to the nearest half, ties to even`() {
    #expect(ck_float_to_half(1 + 0x1p-11) == 0x3C00)
    #expect(ck_float_to_half(1 + 3 * 0x1p-11) == 0x3C02)
    #expect(ck_float_to_half(65519.9) == 0x7BFF)
    #expect(ck_float_to_half(65520) == 0x7C00)
    #expect(ck_float_to_half(0x1p-25) == 0)
    #expect(ck_float_to_half(0x1.8p-25) == 1)
  }

  private func vector(_ name: String) throws -> Data {
    try Data(contentsOf: #require(Bundle.module.url(forResource: "Vectors/\(name)", withExtension: nil)))
  }

  private func sameFloat(_ a: UInt32, _ b: UInt32) -> Bool {
    a == b || (Float(bitPattern: a).isNaN && Float(bitPattern: b).isNaN)
  }
}
