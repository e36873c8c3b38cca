// SPDX-License-Identifier: Apache-2.0
import CKernels

/// Many vectors as products over floats, or over blocks decoded to them, read them: packed floats, or words.
final class FloatInput {
  let words: UnsafeMutableBufferPointer<Int32>
  let tokens: Int
  let columns: Int
  let isInWords: Bool
  private let group: Int
  private let type: Int32

  init(
    _ x: [Float], tokens: Int, columns: Int, type: Int32, isInterleaved: Bool, _ row: UnsafePointer<ck_kernels>
  ) {
    self.tokens = tokens
    self.columns = columns
    self.type = type
    group = Int(row.pointee.token_group)
    isInWords = ck_many_input(row, type, isInterleaved ? 1 : 0, Int64(columns), Int64(tokens)) == CK_INPUT_WORDS
    let size = isInWords ? ck_word_bytes : ck_packed_bytes
    words = .allocate(capacity: size(row, Int64(tokens), Int64(columns)) / 4)
    words.initialize(repeating: 99)
    let groups = (tokens + group - 1) / group
    guard isInWords else {
      words.withMemoryRebound(to: Float.self) {
        row.pointee.pack(x, Int64(columns), Int64(tokens), Int64(columns), $0.baseAddress, 0, Int64(groups))
      }
      return
    }
    x.withUnsafeBufferPointer { x in
      for place in 0..<groups {
        row.pointee.make_words(
          x.baseAddress?.advanced(by: place * group * columns), Int64(columns), Int64(tokens - place * group),
          Int64(columns), words.baseAddress?.advanced(by: place * words.count / groups))
      }
    }
  }

  deinit { words.deallocate() }

  /// A job that reads this input.
  var job: ck_gemm {
    var job = ck_gemm()
    if isInWords {
      job.words = UnsafePointer(words.baseAddress)
    } else {
      job.packed = UnsafeRawPointer(words.baseAddress)?.assumingMemoryBound(to: Float.self)
    }
    job.tokens = Int64(tokens)
    job.columns = Int64(columns)
    job.block_elements = ck_block_elements(type)
    job.block_bytes = ck_block_bytes(type)
    job.panel_type = type
    return job
  }

  /// What the kernels take a vector's element for.
  func value(_ token: Int, _ k: Int) -> Double {
    let place = token % group
    guard isInWords else { return Double(float(token / group * group * columns + k * group + place)) }
    return Double(word(token, k)) * step(token, k)
  }

  /// An element of a vector's words.
  func word(_ token: Int, _ k: Int) -> Int {
    let pair = words[chunk(token, k) + k % Self.wide / 2 * group + token % group]
    return Int(Int16(truncatingIfNeeded: k % 2 == 0 ? pair : pair >> 16))
  }

  /// What a step of the element's word stands for.
  func step(_ token: Int, _ k: Int) -> Double {
    let count = min(Self.wide, columns - k / Self.wide * Self.wide)
    return Double(float(chunk(token, k) + count / 2 * group + token % group))
  }

  private static let wide = 256
  private func float(_ place: Int) -> Float { Float(bitPattern: UInt32(bitPattern: words[place])) }

  /// Where a group's chunk begins: a line of tokens for each pair of columns, and one of scales.
  private func chunk(_ token: Int, _ k: Int) -> Int {
    let lines = columns / 2 + (columns + Self.wide - 1) / Self.wide
    return (token / group * lines + k / Self.wide * (Self.wide / 2 + 1)) * group
  }
}

/// What words of weights lose in a product with words of `x`, 256 columns at a time: each is off by half a step of
/// ‖w‖ / 32,767 and a bit for its rounding as a float, so that all of them are off by √columns times that at most.
func wordBound(_ weights: [Double], _ x: [Double]) -> Double {
  func norm(_ values: ArraySlice<Double>) -> Double { values.reduce(0) { $0 + $1 * $1 }.squareRoot() }
  return stride(from: 0, to: x.count, by: 256).reduce(0) { sum, first in
    let chunk = first..<min(first + 256, x.count)
    return sum + 0.501 / 32_767 * Double(chunk.count).squareRoot() * norm(weights[chunk]) * norm(x[chunk])
  }
}
