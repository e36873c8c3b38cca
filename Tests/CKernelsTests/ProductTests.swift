// SPDX-License-Identifier: Apache-2.0
import CKernels
import TestSupport
import Testing

private let fastTypes: [Int32] = [0, 1, 30, 8, 2, 12, 14]

@Suite struct ProductTests {
  @Test(arguments: fastTypes, [1, 2, 3, 7, 8, 31])
  func `a matrix-vector product equals the sum in doubles within its rounding`(type: Int32, blocks: Int) throws {
    let columns = blocks * max(Int(ck_block_elements(type)), 32)
    let rowCount = 13  // rows that run together and some that do not
    let weights = randomWeights(type: type, rows: rowCount, columns: columns, seed: UInt64(type) * 100 + UInt64(blocks))
    var random = SeededRandom(seed: 5)
    let x = (0..<columns).map { _ in Float.random(in: -2...2, using: &random) }
    for kernels in supportedRows() {
      let input = Input(x, row: kernels.row)
      let represented = input.represented(as: ck_input_of(kernels.row, type))
      let exact = products(weights: weights, type: type, rows: rowCount, columns: columns, x: represented)
      let y = product(kernels, type: type, weights: weights, rows: rowCount, columns: columns, input: input)
      for row in 0..<rowCount {
        #expect(abs(Double(y[row]) - exact[row].sum) <= exact[row].bound, "\(kernels.name), row \(row)")
      }
      #expect(y.suffix(3).allSatisfy { $0 == 777 }, "\(kernels.name) wrote behind its rows")
    }
  }

  @Test(arguments: [Int32(3), 6, 7, 10, 11, 13, 16, 17, 18, 19, 20, 21, 22, 23, 29, 34, 35, 39])
  func `a type without a kernel of its own multiplies what it decodes to`(type: Int32) {
    let columns = 512
    let weights = randomWeights(type: type, rows: 3, columns: columns, seed: 9)
    var random = SeededRandom(seed: 6)
    let x = (0..<columns).map { _ in Float.random(in: -2...2, using: &random) }
    for kernels in supportedRows() {
      let input = Input(x, row: kernels.row)
      let exact = products(weights: weights, type: type, rows: 3, columns: columns, x: x.map(Double.init))
      let y = product(kernels, type: type, weights: weights, rows: 3, columns: columns, input: input)
      for row in 0..<3 {
        #expect(abs(Double(y[row]) - exact[row].sum) <= exact[row].bound, "\(kernels.name), row \(row)")
      }
    }
  }

  @Test(arguments: [Int32(0), 1, 30, 8, 2, 12, 14, 6, 10], [1, 6, 7, 13, 37])
  func `a product of many tokens equals the sums in doubles`(type: Int32, tokens: Int) throws {
    let columns = 768
    let rowCount = 83  // one panel and a part of the next, a part of a tile
    let weights = randomWeights(type: type, rows: rowCount, columns: columns, seed: 11)
    var random = SeededRandom(seed: 7)
    let x = (0..<tokens * columns).map { _ in Float.random(in: -2...2, using: &random) }
    for kernels in supportedRows() {
      let floats = FloatInput(x, tokens: tokens, columns: columns, type: type, isInterleaved: false, kernels.row)
      let y = manyProducts(kernels, type: type, weights: weights, rows: rowCount, columns: columns, floats)
      for token in 0..<tokens {
        let input = (0..<columns).map { floats.value(token, $0) }
        let exact = products(
          weights: weights, type: type, rows: rowCount, columns: columns, x: input, inWords: floats.isInWords)
        for row in 2..<rowCount {
          #expect(
            abs(Double(y[token * (rowCount + 1) + row]) - exact[row].sum) <= exact[row].bound,
            "\(kernels.name), token \(token), row \(row)")
        }
        #expect(y[token * (rowCount + 1) + rowCount] == 777, "\(kernels.name) wrote behind its rows")
        #expect(y[token * (rowCount + 1) + 1] == 777, "\(kernels.name) wrote before its rows")
      }
    }
  }

  /// Exact sums with the bound on any order of float sums: n · 2⁻²³ · Σ|w x| covers n additions and the roundings of
  /// the products, scales and decoded weights (each at most 2⁻²⁴ of a term, fewer than n + 4 of them per term); the
  /// offset of q4_0 and q4_k is a sum of magnitudes of its own, at most 16 times the largest code's share.
  private func products(
    weights: [UInt8], type: Int32, rows: Int, columns: Int, x: [Double], inWords: Bool = false
  ) -> [(sum: Double, bound: Double)] {
    let rowBytes = columns / Int(ck_block_elements(type)) * Int(ck_block_bytes(type))
    return (0..<rows).map { row in
      var decoded = [Float](repeating: 0, count: columns)
      weights.withUnsafeBytes { bytes in
        ck_decoder_of(ck_kernels_for(CK_PORTABLE), type)?(
          bytes.baseAddress?.advanced(by: row * rowBytes), &decoded, Int64(columns))
      }
      let largest = Double(decoded.map(\.magnitude).max() ?? 0)
      var sum = 0.0
      var magnitude = 0.0
      for k in 0..<columns {
        sum += Double(decoded[k]) * x[k]
        magnitude += (abs(Double(decoded[k])) + largest) * abs(x[k])
      }
      let words = inWords ? wordBound(decoded.map(Double.init), x) : 0
      return (sum, Double(columns / 8 + 16) * 0x1p-23 * magnitude + words + 1e-30)
    }
  }

  private func product(
    _ kernels: KernelRow, type: Int32, weights: [UInt8], rows: Int, columns: Int, input: Input
  ) -> [Float] {
    let rowBytes = columns / Int(ck_block_elements(type)) * Int(ck_block_bytes(type))
    var y = [Float](repeating: 777, count: rows + 3)
    weights.withUnsafeBytes { bytes in
      input.withActivations { x in
        ck_run_matvec(kernels.row, type, bytes.baseAddress, rowBytes, x, &y, 0, Int64(rows), Int64(columns))
      }
    }
    return y
  }

  /// Rows 2 to the end of every token's product, in a buffer with one guard element per token.
  private func manyProducts(
    _ kernels: KernelRow, type: Int32, weights: [UInt8], rows: Int, columns: Int, _ input: FloatInput
  ) -> [Float] {
    let row = kernels.row
    let tokens = input.tokens
    var scratch = [Float](repeating: 0, count: ck_gemm_scratch_bytes(row) / 4)
    var y = [Float](repeating: 777, count: tokens * (rows + 1))
    weights.withUnsafeBytes { bytes in
      y.withUnsafeMutableBufferPointer { y in
        scratch.withUnsafeMutableBufferPointer { scratch in
          var job = input.job
          job.weights = bytes.baseAddress
          job.row_bytes = columns / Int(ck_block_elements(type)) * Int(ck_block_bytes(type))
          job.decode = ck_decoder_of(row, type)
          job.y = y.baseAddress
          job.y_stride = Int64(rows + 1)
          job.scratch = scratch.baseAddress
          row.pointee.gemm(&job, 2, Int64(rows))
        }
      }
    }
    return y
  }
}
