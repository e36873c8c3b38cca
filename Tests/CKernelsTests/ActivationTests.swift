// SPDX-License-Identifier: Apache-2.0
import CKernels
import Foundation
import TestSupport
import Testing

@Suite struct ActivationTests {
  private static let kinds: [ck_activation] = [
    CK_SILU, CK_GELU_TANH, CK_GELU, CK_RELU, CK_SQUARED_RELU, CK_CLAMPED_SWIGLU,
  ]

  private static func expected(_ kind: ck_activation, _ x: Double, _ up: Double) -> Double {
    switch kind {
    case CK_SILU: x / (1 + exp(-x)) * up
    case CK_GELU_TANH: 0.5 * x * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x))) * up
    case CK_GELU: 0.5 * x * (1 + erf(x / 2.0.squareRoot())) * up
    case CK_RELU: max(0, x) * up
    case CK_SQUARED_RELU: max(0, x) * max(0, x) * up
    default: min(x, 7) / (1 + exp(-1.702 * min(x, 7))) * (max(-7, min(7, up)) + 1)
    }
  }

  private static func values(_ count: Int, seed: UInt64) -> [Float] {
    var random = SeededRandom(seed: seed)
    return (0..<count).map { _ in Float.random(in: -9...9, using: &random) }
  }

  @Test(arguments: [1, 8, 61])
  func `every activation agrees with its formula in doubles, gated and alone, on every row`(count: Int) {
    let gate = Self.values(count, seed: 5)
    let up = Self.values(count, seed: 6)
    for kernels in supportedRows() {
      for kind in Self.kinds {
        for isGated in [true, false] where isGated || kind != CK_CLAMPED_SWIGLU {
          var y = [Float](repeating: 777, count: count + 1)
          kernels.row.pointee.activate(kind, gate, isGated ? up : nil, &y, Int64(count))
          for i in 0..<count {
            let exact = Self.expected(kind, Double(gate[i]), isGated ? Double(up[i]) : 1)
            // 1 + tanh and 1 + erf cancel to a last place of one; the factor is at most 9 · 9.
            #expect(abs(Double(y[i]) - exact) <= abs(exact) * 4e-6 + 81 * 0x1p-24, "\(kernels.name) at \(gate[i])")
          }
          #expect(y[count] == 777)
        }
      }
    }
  }

  @Test(arguments: [8, 33])
  func `a layer norm agrees with doubles, with a bias and without`(count: Int) {
    let x = Self.values(count, seed: 7)
    let weight = Self.values(count, seed: 8)
    let bias = Self.values(count, seed: 9)
    let mean = x.reduce(0.0) { $0 + Double($1) } / Double(count)
    let variance = x.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / Double(count)
    for hasBias in [true, false] {
      var y = [Float](repeating: 777, count: count + 1)
      ck_layer_norm(x, weight, hasBias ? bias : nil, &y, Int64(count), 1e-5)
      for i in 0..<count {
        let shift = hasBias ? Double(bias[i]) : 0
        let exact = (Double(x[i]) - mean) / (variance + 1e-5).squareRoot() * Double(weight[i]) + shift
        #expect(abs(Double(y[i]) - exact) <= 32 * 0x1p-22)
      }
      #expect(y[count] == 777)
    }
  }

  @Test func `a cap bounds scores smoothly, and a sink takes weight without a value`() {
    let width = 8
    let query = [Float](repeating: 1, count: width)
    let keys: [Float] = [Float](repeating: 1, count: width) + [Float](repeating: -0.5, count: width)
    let values: [Float] = [Float](repeating: 2, count: width) + [Float](repeating: 6, count: width)
    let scores = [8.0, -4.0].map { 3 * tanh($0 / 3) }
    let sink: Float = 1.5
    let weights = scores.map { exp($0) }
    let expected = (2 * weights[0] + 6 * weights[1]) / (weights[0] + weights[1] + exp(Double(sink)))
    for kernels in supportedRows() {
      var out = [Float](repeating: 0, count: width)
      var scratch = [Float](repeating: 0, count: ck_attention_scratch_bytes(1, Int64(width)) / 4)
      let first: [Int64] = [0]
      let last: [Int64] = [2]
      withUnsafePointer(to: sink) { sink in
        out.withUnsafeMutableBufferPointer { out in
          scratch.withUnsafeMutableBufferPointer { scratch in
            query.withUnsafeBufferPointer { query in
              keys.withUnsafeBufferPointer { keys in
                values.withUnsafeBufferPointer { values in
                  first.withUnsafeBufferPointer { first in
                    last.withUnsafeBufferPointer { last in
                      var job = ck_attention(
                        queries: query.baseAddress, query_stride: width, group: 1, count: 1, width: Int64(width),
                        keys: keys.baseAddress, values: values.baseAddress, position_bytes: width * 4, next_bytes: 0,
                        first: first.baseAddress, last: last.baseAddress, scale: 1, cap: 3, sinks: sink, slopes: nil,
                        out: out.baseAddress, scratch: scratch.baseAddress)
                      kernels.row.pointee.attention_f32(&job)
                    }
                  }
                }
              }
            }
          }
        }
      }
      for value in out { #expect(abs(Double(value) - expected) < 1e-5, "\(kernels.name)") }
    }
  }
}
