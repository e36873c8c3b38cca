// SPDX-License-Identifier: Apache-2.0
import CKernels
import Foundation
import TestSupport
import Testing

@Suite struct RowTests {
  private static func randomValues(_ count: Int, seed: UInt64, range: ClosedRange<Float> = -3...3) -> [Float] {
    var random = SeededRandom(seed: seed)
    return (0..<count).map { _ in Float.random(in: range, using: &random) }
  }

  @Test func `rows that this processor cannot run are named`() {
    let names = supportedRows().map(\.name)
    #expect(names.first == "portable")
    let all = (0..<CK_ISA_COUNT.rawValue).map { String(cString: ck_isa_name(ck_isa(rawValue: $0))) }
    for name in all where !names.contains(name) { print("skipped on this processor: kernels \(name)") }
    #expect(Set(names).isSubset(of: all))
  }

  @Test func `quantising gives the same codes on every row, none further than half a step`() {
    let x = Self.randomValues(1024, seed: 1) + [Float](repeating: 0, count: 256)
    let portable = Input(x, row: supportedRows()[0].row)
    for kernels in supportedRows() {
      let input = Input(x, row: kernels.row)
      #expect(input.q32 == portable.q32 && input.d32 == portable.d32 && input.s32 == portable.s32, "\(kernels.name)")
      #expect(input.q256 == portable.q256 && input.d256 == portable.d256 && input.sums256 == portable.sums256)
      for (index, value) in input.represented(as: CK_INPUT_BLOCKS_32).enumerated() {
        #expect(abs(value - Double(x[index])) <= Double(input.d32[index / 32]) * 0.5001)
      }
      for group in 0..<x.count / 16 {
        #expect(Int(input.sums256[group]) == input.q256[group * 16..<group * 16 + 16].reduce(0) { $0 + Int($1) })
      }
    }
  }

  @Test(arguments: [1, 7, 8, 64, 1027])
  func `norms, sums and activations agree with doubles`(count: Int) {
    let x = Self.randomValues(count, seed: 2)
    let w = Self.randomValues(count, seed: 3)
    let meanSquare = x.reduce(0.0) { $0 + Double($1) * Double($1) } / Double(count)
    for kernels in supportedRows() {
      var normed = [Float](repeating: 777, count: count + 1)
      kernels.row.pointee.rms_norm(x, w, &normed, Int64(count), 1e-5)
      var sum = w + [777]
      kernels.row.pointee.add(x, &sum, Int64(count))
      var gated = normed
      kernels.row.pointee.silu_mul(x, w, &gated, Int64(count))
      for i in 0..<count {
        let expected = Double(x[i]) * Double(w[i]) / (meanSquare + 1e-5).squareRoot()
        #expect(abs(Double(normed[i]) - expected) <= abs(expected) * Double(count + 8) * 0x1p-24)
        #expect(sum[i] == x[i] + w[i])
        let silu = Double(x[i]) / (1 + exp(-Double(x[i]))) * Double(w[i])
        #expect(abs(Double(gated[i]) - silu) <= abs(silu) * 1e-6 + 1e-12, "\(kernels.name) at \(x[i])")
      }
      #expect(normed[count] == 777 && sum[count] == 777 && gated[count] == 777)
    }
  }

  @Test func `halves encode alike, and a q8_0 cache row decodes to within half a step`() {
    let x = Self.randomValues(99, seed: 4) + [65504, -65520, 1e-8, 0, -0.0]
    for kernels in supportedRows() {
      var halves = [UInt16](repeating: 0, count: x.count)
      kernels.row.pointee.encode_f16(x, &halves, Int64(x.count))
      #expect(halves == x.map(ck_float_to_half), "\(kernels.name)")
    }
  }

  @Test(arguments: [8, 64, 128])
  func `attention equals the textbook's softmax on every row, also with a window and a causal limit`(width: Int) {
    let positions = 77
    let queries = 5
    let keys = Self.randomValues(positions * width, seed: 5)
    let values = Self.randomValues(positions * width, seed: 6)
    let q = Self.randomValues(queries * width, seed: 7)
    let first: [Int64] = [0, 0, 10, 40, 64]
    let last: [Int64] = [1, 33, 64, 77, 70]
    let scale = 1 / Float(width).squareRoot()
    for kernels in attentionRows() {
      // Scores reach width · 9 · scale; their rounding is multiplied by values up to 3.
      let products = Double(width) * 9 * Double(scale)
      let bound = Double(width) * 0x1p-16 + tileError(kernels, width: width, products: products, value: 3)
      for isHalf in [false, true] {
        let stored = (isHalf ? keys.map { ck_half_to_float(ck_float_to_half($0)) } : keys)
        let storedValues = (isHalf ? values.map { ck_half_to_float(ck_float_to_half($0)) } : values)
        let out = attention(
          kernels, keys: keys, values: values, q: q, first: first, last: last, width: width, scale: scale,
          isHalf: isHalf)
        for i in 0..<queries {
          let expected = textbook(
            query: Array(q[i * width..<(i + 1) * width]), keys: stored, values: storedValues,
            range: Int(first[i])..<Int(last[i]), scale: Double(scale))
          for k in 0..<width {
            #expect(abs(Double(out[i * width + k]) - expected[k]) < bound, "\(kernels.name) query \(i)")
          }
        }
      }
    }
  }

  @Test func `rotations keep lengths and turn the pairs they name`() {
    let cosines: [Float] = [0, 1]
    let sines: [Float] = [1, 0]
    var neighbours: [Float] = [1, 2, 3, 4]
    ck_rope_neighbours(&neighbours, 4, cosines, sines)
    #expect(neighbours == [-2, 1, 3, 4])
    var halves: [Float] = [1, 2, 3, 4]
    ck_rope_halves(&halves, 4, cosines, sines)
    #expect(halves == [-3, 2, 1, 4])
  }

  @Test func `reading sums the same words on every row`() {
    let words = (0..<4096).map { UInt64($0) &* 0x9E37_79B9_7F4A_7C15 }
    let expected = words.reduce(0, &+)
    for kernels in supportedRows() {
      #expect(words.withUnsafeBytes { kernels.row.pointee.read($0.baseAddress, $0.count) } == expected)
    }
  }

  @Test(arguments: [(group: 1, tokens: 37), (group: 3, tokens: 2), (group: 5, tokens: 1), (group: 8, tokens: 5)])
  func `heads and tokens that go together get what each of them gets alone`(shape: (group: Int, tokens: Int)) {
    let width = 64
    let stride = (shape.group + 2) * width  // two heads of another group lie between the tokens
    let keys = Self.randomValues(100 * width, seed: 8)
    let values = Self.randomValues(100 * width, seed: 9)
    let q = Self.randomValues(shape.tokens * stride, seed: 10)
    let count = shape.group * shape.tokens
    let last = (0..<count).map { Int64(100 - shape.tokens + 1 + $0 / shape.group) }
    let first = last.map { max(0, $0 - 70) }
    for kernels in attentionRows() {
      let rounding = shape.tokens > 1 ? tileError(kernels, width: width, products: 72, value: 3) : 0
      let bound = Double(width) * 0x1p-16 + rounding
      let out = attention(
        kernels, keys: keys, values: values, q: q, first: first, last: last, width: width, scale: 0.125,
        isHalf: false, group: shape.group, stride: stride)
      for i in 0..<count {
        let start = i / shape.group * stride + i % shape.group * width
        let expected = textbook(
          query: Array(q[start..<start + width]), keys: keys, values: values, range: Int(first[i])..<Int(last[i]),
          scale: 0.125)
        for k in 0..<width { #expect(abs(Double(out[start + k]) - expected[k]) < bound, "\(kernels.name)") }
      }
    }
  }

  private func attention(
    _ kernels: KernelRow, keys: [Float], values: [Float], q: [Float], first: [Int64], last: [Int64], width: Int,
    scale: Float, isHalf: Bool, group: Int = 1, stride: Int? = nil
  ) -> [Float] {
    var out = [Float](repeating: 0, count: q.count)
    var scratch = [Float](repeating: 0, count: ck_attention_scratch_bytes(Int64(first.count), Int64(width)) / 4)
    let halfKeys = keys.map(ck_float_to_half)
    let halfValues = values.map(ck_float_to_half)
    func run(_ keys: UnsafeRawBufferPointer, _ values: UnsafeRawBufferPointer) {
      out.withUnsafeMutableBufferPointer { out in
        scratch.withUnsafeMutableBufferPointer { scratch in
          q.withUnsafeBufferPointer { q in
            first.withUnsafeBufferPointer { first in
              last.withUnsafeBufferPointer { last in
                var job = ck_attention(
                  queries: q.baseAddress, query_stride: stride ?? width, group: Int64(group),
                  count: Int64(first.count), width: Int64(width), keys: keys.baseAddress, values: values.baseAddress,
                  position_bytes: width * (isHalf ? 2 : 4), next_bytes: 0,
                  first: first.baseAddress, last: last.baseAddress, scale: scale, cap: 0, sinks: nil, slopes: nil,
                  out: out.baseAddress,
                  scratch: scratch.baseAddress)
                if isHalf { kernels.row.pointee.attention_f16(&job) } else { kernels.row.pointee.attention_f32(&job) }
              }
            }
          }
        }
      }
    }
    if isHalf {
      halfKeys.withUnsafeBytes { keys in halfValues.withUnsafeBytes { run(keys, $0) } }
    } else {
      keys.withUnsafeBytes { keys in values.withUnsafeBytes { run(keys, $0) } }
    }
    return out
  }

  private func textbook(
    query: [Float], keys: [Float], values: [Float], range: Range<Int>, scale: Double
  ) -> [Double] {
    let width = query.count
    let scores = range.map { p in
      (0..<width).reduce(0.0) { $0 + Double(query[$1]) * Double(keys[p * width + $1]) } * scale
    }
    let largest = scores.max() ?? 0
    let weights = scores.map { exp($0 - largest) }
    let total = weights.reduce(0, +)
    return (0..<width).map { k in
      zip(range, weights).reduce(0.0) { $0 + Double(values[$1.0 * width + k]) * $1.1 } / total
    }
  }
}
