// SPDX-License-Identifier: Apache-2.0
import CKernels
import Foundation
import Testing

/// A format that can be made, with what its blocks can hold: the bound of the error comes from its step.
struct MadeFormat: CustomTestStringConvertible, Sendable {
  let name: String
  let type: Int32
  /// Half of the widest gap between neighbouring levels, as a share of the largest magnitude of a block.
  let step: Double
  var testDescription: String { name }

  /// Gaps: linear formats 2 / (levels − 1) of the range to both sides; iq4_nl's levels are at most 24 of 113 apart;
  /// E2M1 doubles between 4 and 6, and its power of two may leave the largest element at 4; k-quants round a group's
  /// scale too, to one part in 2 · 63 (2 · 15 for q2_k) of the block's. A codebook has no step: an element's entry is
  /// chosen for its neighbours too, and all that holds is that it is no further off than the largest magnitude.
  static let all: [MadeFormat] = [
    .init(name: "q4_0", type: 2, step: 1.0 / 8), .init(name: "q4_1", type: 3, step: 1.0 / 15),
    .init(name: "q5_0", type: 6, step: 1.0 / 16), .init(name: "q5_1", type: 7, step: 1.0 / 31),
    .init(name: "q8_0", type: 8, step: 0.5 / 127), .init(name: "q2_k", type: 10, step: 1.0 / 3 + 1.0 / 15),
    .init(name: "q3_k", type: 11, step: 1.0 / 4 + 1.0 / 31), .init(name: "q4_k", type: 12, step: 1.0 / 15 + 1.0 / 63),
    .init(name: "q5_k", type: 13, step: 1.0 / 31 + 1.0 / 63), .init(name: "q6_k", type: 14, step: 1.0 / 32 + 1.0 / 127),
    .init(name: "iq4_nl", type: 20, step: 24.0 / 113), .init(name: "iq4_xs", type: 23, step: 24.0 / 113 + 1.0 / 31),
    .init(name: "tq1_0", type: 34, step: 0.5), .init(name: "tq2_0", type: 35, step: 0.5),
    .init(name: "mxfp4", type: 39, step: 1.0 / 4), .init(name: "iq1_s", type: 19, step: 0.5),
    .init(name: "iq1_m", type: 29, step: 0.5), .init(name: "iq2_xxs", type: 16, step: 0.5),
    .init(name: "iq2_xs", type: 17, step: 0.5), .init(name: "iq2_s", type: 22, step: 0.5),
    .init(name: "iq3_xxs", type: 18, step: 0.5), .init(name: "iq3_s", type: 21, step: 0.5),
  ]
}

@Suite struct EncodeTests {
  @Test(arguments: [
    ("f16", Int32(1)), ("bf16", 30), ("q4_0", 2), ("q4_1", 3), ("q5_0", 6), ("q5_1", 7), ("q8_0", 8), ("tq1_0", 34),
    ("tq2_0", 35), ("mxfp4", 39),
  ])
  func `without weights the formats of a reference quantiser are rounded as it does, bit for bit`(
    name: String, type: Int32
  ) throws {
    let values = try vector("encode.floats").withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    let expected = Array(try vector("encode-\(name).blocks"))
    let blocks = try encode(values, type: type)
    #expect(blocks.indices.filter { blocks[$0] != expected[$0] } == [])
    #expect(blocks.count == expected.count)
  }

  @Test(arguments: MadeFormat.all, [false, true])
  func `what was encoded decodes to within the format's step`(format: MadeFormat, hasWeights: Bool) throws {
    let values = gaussian(2048, seed: 3)
    let weights = hasWeights ? [Float](repeating: 1, count: values.count) : nil
    let decoded = try decode(
      encode(values, type: format.type, weights: weights), type: format.type, count: values.count)
    // The search may clip the largest element, never by more than the step it saves elsewhere; hence two steps.
    let bound = format.step * 2
    for start in stride(from: 0, to: values.count, by: 256) {
      let range = start..<start + 256
      let largest = values[range].map { abs(Double($0)) }.max() ?? 0
      for index in range { #expect(abs(Double(values[index] - decoded[index])) <= bound * largest) }
    }
  }

  @Test(arguments: MadeFormat.all)
  func `a search with equal weights has no larger squared error than rounding without it`(format: MadeFormat) throws {
    let values = gaussian(4096, seed: 11)
    let weights = [Float](repeating: 1, count: values.count)
    func error(_ weights: [Float]?) throws -> Double {
      let decoded = try decode(
        encode(values, type: format.type, weights: weights), type: format.type, count: values.count)
      return zip(values, decoded).reduce(0) { $0 + pow(Double($1.0 - $1.1), 2) }
    }
    #expect(try error(weights) <= error(nil))
  }

  @Test(arguments: MadeFormat.all)
  func `an element of great weight is kept more precisely than it was`(format: MadeFormat) throws {
    let values = gaussian(4096, seed: 5)
    // Every eighth element weighs a thousand times the others.
    let weights = values.indices.map { $0 % 8 == 3 ? Float(1000) : 1 }
    func error(_ weights: [Float]) throws -> Double {
      let decoded = try decode(
        encode(values, type: format.type, weights: weights), type: format.type, count: values.count)
      return stride(from: 3, to: values.count, by: 8).reduce(0) { $0 + pow(Double(values[$1] - decoded[$1]), 2) }
    }
    #expect(try error(weights) < error([Float](repeating: 1, count: values.count)))
  }

  @Test(arguments: MadeFormat.all)
  func `zeros, a constant, one spike and tiny values survive`(format: MadeFormat) throws {
    var spike = [Float](repeating: 0, count: 256)
    spike[77] = -3
    let blocks: [[Float]] = [
      [Float](repeating: 0, count: 256), [Float](repeating: 0.25, count: 256), [Float](repeating: -0.25, count: 256),
      spike, gaussian(256, seed: 1).map { $0 * 1e-9 }, gaussian(256, seed: 1).map { $0 * 1e-30 * 1e-11 },
    ]
    for (index, values) in blocks.enumerated() {
      for weights in [nil, [Float](repeating: 1, count: 256), [Float](repeating: 0, count: 256)] {
        let decoded = try decode(encode(values, type: format.type, weights: weights), type: format.type, count: 256)
        #expect(decoded.allSatisfy { $0.isFinite }, "block \(index)")
        if index == 0 { #expect(decoded.allSatisfy { $0 == 0 }) }
      }
    }
  }

  /// Shannon's bound: no code of R bits per element keeps independent normal values with less than 2^(−2R) of their
  /// variance as the mean squared error (Cover & Thomas, Elements of Information Theory, theorem 10.3.2).
  @Test func `a codebook of more bits keeps normal values better, none better than information theory allows`() throws {
    let values = gaussian(16384, seed: 21)
    let variance = values.reduce(0) { $0 + Double($1) * Double($1) } / Double(values.count)
    var last = 1.0
    for type: Int32 in [19, 29, 16, 17, 22, 18, 21, 23] {
      let decoded = try decode(encode(values, type: type), type: type, count: values.count)
      let error = zip(values, decoded).reduce(0) { $0 + pow(Double($1.0 - $1.1), 2) } / Double(values.count) / variance
      let bits = Double(ck_block_bytes(type)) * 8 / Double(ck_block_elements(type))
      #expect(error < last, "type \(type)")
      #expect(error > pow(2, -2 * bits), "type \(type)")
      last = error
    }
  }

  @Test(arguments: [Int32(19), 29, 16, 17, 22, 18, 21])
  func `what a codebook format can hold comes back nearly as it was`(type: Int32) throws {
    let once = try decode(encode(gaussian(4096, seed: 8), type: type), type: type, count: 4096)
    let twice = try decode(encode(once, type: type), type: type, count: 4096)
    let change = zip(once, twice).reduce(0) { $0 + pow(Double($1.0 - $1.1), 2) }
    #expect(change < 0.01 * once.reduce(0) { $0 + Double($1) * Double($1) })
  }

  @Test func `a format for computing has no encoder, nor has a number that is no type`() {
    for type: Int32 in [9, 15, 4, -1, 40, 99] { #expect(ck_encoder_of(type) == nil) }
  }

  private func vector(_ name: String) throws -> Data {
    try Data(contentsOf: #require(Bundle.module.url(forResource: "Vectors/\(name)", withExtension: nil)))
  }

  private func encode(_ values: [Float], type: Int32, weights: [Float]? = nil) throws -> [UInt8] {
    let encoder = try #require(ck_encoder_of(type))
    let bytes = values.count / Int(ck_block_elements(type)) * Int(ck_block_bytes(type))
    var blocks = [UInt8](repeating: 0xAA, count: bytes + 16)
    if let weights {
      encoder(values, weights, &blocks, Int64(values.count))
    } else {
      encoder(values, nil, &blocks, Int64(values.count))
    }
    #expect(blocks.suffix(16).allSatisfy { $0 == 0xAA }, "bytes after the blocks stay untouched")
    return Array(blocks.prefix(bytes))
  }

  private func decode(_ blocks: [UInt8], type: Int32, count: Int) throws -> [Float] {
    let decoder = try #require(ck_decoder_of(ck_kernels_for(CK_PORTABLE), type))
    var values = [Float](repeating: 0, count: count)
    decoder(blocks, &values, Int64(count))
    return values
  }

  /// Sums of twelve uniform numbers of a linear congruential generator (Knuth's MMIX constants): nearly normal.
  private func gaussian(_ count: Int, seed: UInt64) -> [Float] {
    var state = seed
    return (0..<count).map { _ in
      var sum = -6.0
      for _ in 0..<12 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        sum += Double(state >> 40) / Double(1 << 24)
      }
      return Float(sum * 0.05)
    }
  }
}
