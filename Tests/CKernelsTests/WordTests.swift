// SPDX-License-Identifier: Apache-2.0
import CKernels
import TestSupport
import Testing

/// Sets that multiply prompts in 16-bit integers.
private let sets = supportedRows().filter { $0.row.pointee.make_words != nil }

@Suite struct WordTests {
  @Test(arguments: [33, 36, 47], [32, 256, 288, 544])
  func `words stand for the vectors within half a step, and beyond the last one for nothing`(tokens: Int, columns: Int)
  {
    var random = SeededRandom(seed: UInt64(tokens * 1000 + columns))
    // A token of zeros, one with a single large element, and others of all sizes.
    var x = (0..<tokens * columns).map { _ in Float.random(in: -2...2, using: &random) }
    for k in 0..<columns { x[(tokens - 1) * columns + k] = k == 7 ? 3000 : 0.01 }
    for k in 0..<columns { x[columns + k] = 0 }
    for kernels in sets {
      let input = half(x, tokens, columns, kernels)
      for token in 0..<tokens {
        for k in 0..<columns {
          let error = abs(input.value(token, k) - Double(x[token * columns + k]))
          #expect(error <= 0.501 * input.step(token, k), "\(kernels.name), token \(token), column \(k)")
        }
        let norm = (0..<min(columns, 256)).reduce(0) { $0 + input.word(token, $1) * input.word(token, $1) }
        // 32,767 and what the rounding of 256 words adds to a norm at most.
        #expect(norm <= 32_776 * 32_776, "\(kernels.name), token \(token)")
      }
      for token in tokens..<(tokens + 11) / 12 * 12 {
        #expect((0..<columns).allSatisfy { input.word(token, $0) == 0 && input.step(token, $0) == 0 })
      }
    }
  }

  @Test(arguments: ["one element", "equal elements", "opposite signs", "a row of zeros", "a rising row"])
  func `no sum overflows, whatever a row and a vector hold`(shape: String) {
    let columns = 256
    let values: [Float] = (0..<columns).map { k in
      switch shape {
      case "one element": k == 100 ? 60_000 : 0
      case "equal elements": 1.5
      case "opposite signs": k % 2 == 0 ? 700 : -700
      case "a row of zeros": 0
      default: Float(k) * 0.25
      }
    }
    let weights = values.flatMap { value in withUnsafeBytes(of: ck_float_to_half(value)) { Array($0) } }
    for kernels in sets {
      // The vector is the row, where Cauchy and Schwarz's bound is reached.
      let y = product(kernels, weights, half(repeated(values), 33, columns, kernels))
      let exact = values.reduce(0.0) { $0 + Double($1) * Double($1) }
      let bound = 2 * wordBound(values.map(Double.init), values.map(Double.init))
      #expect(abs(Double(y) - exact) <= bound, "\(kernels.name)")
    }
  }

  @Test(arguments: [Float.nan, .infinity, -.infinity])
  func `a weight that is no number spoils its row's sum instead of vanishing`(value: Float) {
    var values = [Float](repeating: 1, count: 64)
    values[33] = value
    let weights = values.flatMap { value in withUnsafeBytes(of: ck_float_to_half(value)) { Array($0) } }
    for kernels in sets {
      let y = product(kernels, weights, half([Float](repeating: 1, count: 33 * 64), 33, 64, kernels))
      #expect(!y.isFinite, "\(kernels.name)")
    }
  }

  @Test func `many vectors read words where weights are halves or decoded, and floats where they are floats`() {
    let (half, single) = (Int32(CK_F16.rawValue), Int32(CK_F32.rawValue))
    for row in [CK_AVX2, CK_AVX512_VNNI].compactMap(ck_kernels_for) {
      #expect(ck_many_input(row, half, 1, 512, 64) == CK_INPUT_WORDS)
      #expect(ck_many_input(row, half, 0, 512, 33) == CK_INPUT_WORDS)
      #expect(ck_many_input(row, Int32(CK_Q4_0.rawValue), 0, 512, 64) == CK_INPUT_WORDS)
      #expect(ck_many_input(row, half, 1, 500, 64) == CK_INPUT_F32, "a row of odd length")
      #expect(ck_many_input(row, half, 1, 512, 32) == CK_INPUT_F32, "a few vectors")
      #expect(ck_many_input(row, single, 1, 512, 64) == CK_INPUT_F32)
    }
    #expect(ck_many_input(ck_kernels_for(CK_PORTABLE), half, 1, 512, 64) == CK_INPUT_F32)
  }

  private func half(_ x: [Float], _ tokens: Int, _ columns: Int, _ kernels: KernelRow) -> FloatInput {
    FloatInput(
      x, tokens: tokens, columns: columns, type: Int32(CK_F16.rawValue), isInterleaved: false, kernels.row)
  }

  private func repeated(_ x: [Float]) -> [Float] { [[Float]](repeating: x, count: 33).flatMap(\.self) }

  /// One row of halves times the last of the vectors.
  private func product(_ kernels: KernelRow, _ weights: [UInt8], _ input: FloatInput) -> Float {
    var scratch = [Float](repeating: 0, count: ck_gemm_scratch_bytes(kernels.row) / 4)
    var y = [Float](repeating: 777, count: 2 * input.tokens)
    weights.withUnsafeBytes { bytes in
      y.withUnsafeMutableBufferPointer { y in
        scratch.withUnsafeMutableBufferPointer { scratch in
          var job = input.job
          job.weights = bytes.baseAddress
          job.row_bytes = weights.count
          job.decode = ck_decoder_of(kernels.row, Int32(CK_F16.rawValue))
          job.y = y.baseAddress
          job.y_stride = 2
          job.scratch = scratch.baseAddress
          kernels.row.pointee.gemm(&job, 0, 1)
        }
      }
    }
    #expect(y.enumerated().allSatisfy { $0.offset % 2 == 0 || $0.element == 777 })
    return y[y.count - 2]
  }
}
