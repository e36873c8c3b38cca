// SPDX-License-Identifier: Apache-2.0
import CKernels
import Foundation
import TestSupport
import Testing

/// Attention of many tokens, and of one token's heads, on every row.
@Suite struct AttentionTests {
  struct Shape: Sendable {
    let group: Int
    let tokens: Int
    let width: Int
    var window: Int?
    var cap: Float = 0
    var hasSinks = false
    var hasSlopes = false
  }

  private static let positions = 300

  @Test(
    arguments: [
      Shape(group: 1, tokens: 61, width: 16),
      Shape(group: 1, tokens: 50, width: 32, window: 131, cap: 5, hasSinks: true, hasSlopes: true),
      Shape(group: 7, tokens: 13, width: 64, window: 140),
      Shape(group: 4, tokens: 5, width: 96, hasSlopes: true),
      Shape(group: 2, tokens: 9, width: 128, cap: 5),
      Shape(group: 4, tokens: 53, width: 80, window: 140, hasSinks: true),
      Shape(group: 20, tokens: 1, width: 32, window: 200, hasSinks: true),
      Shape(group: 1, tokens: 1, width: 64),
      Shape(group: 3, tokens: 1, width: 96, window: 137, cap: 5, hasSinks: true, hasSlopes: true),
      Shape(group: 4, tokens: 1, width: 128, window: 129),
      Shape(group: 5, tokens: 1, width: 32, window: 126, cap: 5, hasSinks: true, hasSlopes: true),
      Shape(group: 8, tokens: 1, width: 64),
      Shape(group: 12, tokens: 1, width: 80, hasSlopes: true),
    ], [CK_F32, CK_F16, CK_Q8_0])
  func `attention is the textbook's up to its roundings`(shape: Shape, type: ck_type) {
    guard type != CK_Q8_0 || shape.width % 32 == 0 else { return }
    let job = Job(shape, positions: Self.positions, type: type)
    let exact = job.exact()
    for kernels in attentionRows() {
      let out = job.run(kernels.row, heads: 0..<shape.group)
      for (query, row) in exact.enumerated() {
        let worst = row.values.indices.map { abs(Double(out[job.start(query) + $0]) - row.values[$0]) }.max() ?? 0
        let rounding = tileError(kernels, width: shape.width, products: row.products, value: row.magnitude)
        #expect(worst <= row.bound + (shape.tokens > 1 ? rounding : 0), "\(kernels.name), query \(query)")
      }
    }
  }

  @Test(arguments: [2, 8, 12, 20])
  func `a token's heads have the same sums however threads share them`(group: Int) {
    let job = Job(Shape(group: group, tokens: 1, width: 64), positions: Self.positions, type: CK_F16)
    for kernels in attentionRows() {
      let together = job.run(kernels.row, heads: 0..<group)
      let first = job.run(kernels.row, heads: 0..<group / 2)
      let second = job.run(kernels.row, heads: group / 2..<group)
      #expect(together == zip(first, second).map { $0 + $1 }, "\(kernels.name)")
    }
  }
}

/// The output of a query, how far 32-bit sums may lie from it, and what the bound of tiles goes by: the largest sum of a
/// score's products' magnitudes, and the weighted mean magnitude of a column of values.
private struct ExactRow {
  let values: [Double]
  let bound: Double
  let products: Double
  let magnitude: Double
}

/// Random queries and a cache of random rows in a format.
private struct Job {
  let shape: AttentionTests.Shape
  private let type: ck_type
  private let queries: [Float]
  private let keys: [UInt8]
  private let values: [UInt8]
  private let first: [Int64]
  private let last: [Int64]
  private let sinks: [Float]
  private let slopes: [Float]
  private let scale: Float
  private var width: Int { shape.width }
  private var count: Int { shape.group * shape.tokens }
  private var rowBytes: Int {
    let type = Int32(type.rawValue)
    return width / Int(ck_block_elements(type)) * Int(ck_block_bytes(type))
  }
  /// Another group's heads lie between the tokens.
  private var stride: Int { (shape.group + 1) * width }

  init(_ shape: AttentionTests.Shape, positions: Int, type: ck_type) {
    var random = SeededRandom(seed: UInt64(shape.group * shape.tokens))
    func floats(_ count: Int) -> [Float] { (0..<count).map { _ in Float.random(in: -2...2, using: &random) } }
    self.shape = shape
    self.type = type
    queries = floats((shape.group + 1) * shape.width * shape.tokens)
    keys = Self.rows(floats(positions * shape.width), type)
    values = Self.rows(floats(positions * shape.width), type)
    let count = shape.group * shape.tokens
    last = (0..<count).map { Int64(positions - shape.tokens + 1 + $0 / shape.group) }
    first = last.map { last in shape.window.map { max(0, last - Int64($0)) } ?? 0 }
    sinks = floats(count)
    slopes = floats(count).map { abs($0) / 32 }
    scale = 2 / Float(shape.width).squareRoot()
  }

  private static func rows(_ x: [Float], _ type: ck_type) -> [UInt8] {
    let portable = supportedRows()[0].row.pointee
    switch type {
    case CK_F16:
      var halves = [UInt16](repeating: 0, count: x.count)
      portable.encode_f16(x, &halves, Int64(x.count))
      return halves.withUnsafeBytes { Array($0) }
    case CK_Q8_0:
      var blocks = [UInt8](repeating: 0, count: x.count / 32 * 34)
      portable.encode_q8_0(x, &blocks, Int64(x.count))
      return blocks
    default: return x.withUnsafeBytes { Array($0) }
    }
  }

  private func decoded(_ rows: [UInt8]) -> [Double] {
    guard type != CK_F32 else { return rows.withUnsafeBytes { $0.bindMemory(to: Float.self).map(Double.init) } }
    var x = [Float](repeating: 0, count: rows.count / rowBytes * width)
    ck_decoder_of(supportedRows()[0].row, Int32(type.rawValue))?(rows, &x, Int64(x.count))
    return x.map(Double.init)
  }

  func start(_ query: Int) -> Int { query / shape.group * stride + query % shape.group * width }

  /// The outputs of some heads of each token; those of the others are zero.
  func run(_ row: UnsafePointer<ck_kernels>, heads: Range<Int>) -> [Float] {
    var out = [Float](repeating: 0, count: queries.count)
    let count = heads.count * shape.tokens
    var scratch = [Float](repeating: .nan, count: ck_attention_scratch_bytes(Int64(count), Int64(width)) / 4)
    let offset = heads.lowerBound
    keys.withUnsafeBytes { keys in
      values.withUnsafeBytes { values in
        pointers(&out, &scratch) { out, scratch, queries, first, last, sinks, slopes in
          var job = ck_attention(
            queries: queries + offset * width, query_stride: stride, group: Int64(shape.group), count: Int64(count),
            width: Int64(width), keys: keys.baseAddress, values: values.baseAddress, position_bytes: rowBytes,
            next_bytes: shape.window ?? 0, first: first + offset, last: last + offset, scale: scale, cap: shape.cap,
            sinks: shape.hasSinks ? sinks + offset : nil, slopes: shape.hasSlopes ? slopes + offset : nil,
            out: out + offset * width, scratch: scratch)
          switch type {
          case CK_F16: row.pointee.attention_f16(&job)
          case CK_Q8_0: row.pointee.attention_q8_0(&job)
          default: row.pointee.attention_f32(&job)
          }
        }
      }
    }
    return out
  }

  private func pointers(
    _ out: UnsafeMutablePointer<Float>, _ scratch: UnsafeMutablePointer<Float>,
    _ body: (
      UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>, UnsafePointer<Float>, UnsafePointer<Int64>,
      UnsafePointer<Int64>, UnsafePointer<Float>, UnsafePointer<Float>
    ) -> Void
  ) {
    queries.withUnsafeBufferPointer { queries in
      first.withUnsafeBufferPointer { first in
        last.withUnsafeBufferPointer { last in
          sinks.withUnsafeBufferPointer { sinks in
            slopes.withUnsafeBufferPointer { slopes in
              guard let queries = queries.baseAddress, let first = first.baseAddress, let last = last.baseAddress,
                let sinks = sinks.baseAddress, let slopes = slopes.baseAddress
              else { return }
              body(out, scratch, queries, first, last, sinks, slopes)
            }
          }
        }
      }
    }
  }

  /// The textbook's sums in doubles, and how far 32-bit sums may lie from them.
  ///
  /// With u = 2⁻²⁴: a score of products p errs by (width + 4) u Σ|p|, by 8 u of its cap and 4 u of its bias; a weight by
  /// twice that of its fraction and 8 u; sums of n weights and of n weighted values by n u each.
  func exact() -> [ExactRow] {
    let (keys, values) = (decoded(keys), decoded(values))
    let largestValue = values.lazy.map(abs).max() ?? 0
    return (0..<count).map { query in
      var (scores, error, products) = ([Double](), 0.0, 0.0)
      for position in Int(first[query])..<Int(last[query]) {
        var (sum, size) = (0.0, 0.0)
        for k in 0..<width {
          let product = Double(queries[start(query) + k]) * keys[position * width + k] * Double(scale)
          sum += product
          size += abs(product)
        }
        let bias = shape.hasSlopes ? Double(slopes[query]) * Double(position - Int(last[query]) + 1) : 0
        let cap = Double(shape.cap)
        scores.append((cap > 0 ? cap * tanh(sum / cap) : sum) + bias)
        products = max(products, size)
        error = max(error, (Double(width + 4) * size + 8 * cap - 4 * bias) * 0x1p-24)
      }
      let sink = shape.hasSinks ? [Double(sinks[query])] : []
      let largest = (scores + sink).max() ?? 0
      let weights = scores.map { exp($0 - largest) }
      let total = weights.reduce(0, +) + sink.reduce(0) { $0 + exp($1 - largest) }
      var out = [Double](repeating: 0, count: width)
      var magnitudes = out
      for (index, weight) in weights.enumerated() {
        let row = (Int(first[query]) + index) * width
        for k in 0..<width {
          out[k] += weight / total * values[row + k]
          magnitudes[k] += weight / total * abs(values[row + k])
        }
      }
      let roundings = Double(2 * scores.count + 16) * 0x1p-24
      return ExactRow(
        values: out, bound: largestValue * (2 * error + roundings), products: products,
        magnitude: magnitudes.max() ?? 0)
    }
  }
}
