// SPDX-License-Identifier: Apache-2.0
import CKernels
import Foundation
import TestSupport
import Testing
import TileEmulator

private let tileTypes: [Int32] =
  tileRow.map { tiles in
    (0..<Int32(CK_TYPE_COUNT.rawValue)).filter { ck_takes_tiles(tiles.row, $0, 256) != 0 }
  } ?? []

/// 16-bit floats by name.
private func bits(_ value: Float) -> UInt16 { UInt16(value.bitPattern >> 16) }
private func value(_ bits: UInt16) -> Float { Float(bitPattern: UInt32(bits) << 16) }

/// The nearest 16-bit float, the one further from zero of two: found by both neighbours' distances.
private func nearest(_ x: Float) -> Float {
  let toZero = value(bits(x))
  let away = value(bits(x) &+ 1)
  return abs(Double(x)) - abs(Double(toZero)) < abs(Double(away)) - abs(Double(x)) ? toZero : away
}

@Suite(.enabled(if: tileRow != nil, "no AVX-512 VNNI beside which tiles could be emulated"))
struct TileInstructionTests {
  private func product(_ a: [Float], _ b: [Float], onto c: [Float], rows: Int, columns: Int, pairs: Int) -> [Float] {
    var sums = c
    te_multiply(a.map(bits), b.map(bits), &sums, Int32(rows), Int32(columns), Int32(pairs))
    return sums
  }

  @Test func `each sum gains the products of its row's pairs with its column's pairs`() {
    // Two rows of one pair; two columns of one pair each: 100 + 1·5 + 2·6, 200 + 1·½ + 2·256, 300 + 3·5 − 4·6 ...
    let sums = product([1, 2, 3, -4], [5, 6, 0.5, 256], onto: [100, 200, 300, 400], rows: 2, columns: 2, pairs: 1)
    let worked: [Float] = [117, 712.5, 291, -622.5]
    #expect(sums == worked)
    // Three rows of two pairs and a single column: the second pair of b is its second row.
    let rows: [Float] = [1, 2, 3, 4, 0, 0, 1, 0, -1, 1, -1, 1]
    let long = product(rows, [10, 20, 30, 40], onto: [0, 1, 2], rows: 3, columns: 1, pairs: 2)
    let all: [Float] = [300, 31, 22]  // 10 + 40 + 90 + 160; 1 + 30; 2 − 10 + 20 − 30 + 40
    #expect(long == all)
  }

  @Test func `even and odd products are summed apart, then together, then to what was there`() {
    // 2²⁴ + 1 is a tie and goes to the even 2²⁴; 1 + 1 = 2; the sum is 2²⁴ + 2. One after the other all ones were lost.
    let big: Float = 0x1p24
    #expect(product([1, 1, 1, 1], [big, 1, 1, 1], onto: [0], rows: 1, columns: 1, pairs: 2) == [big + 2])
    #expect(product([1, 1], [1, 1], onto: [big], rows: 1, columns: 1, pairs: 1) == [big + 2])
  }

  @Test func `denormal operands count as zero and denormal results become zero`() {
    let denormal = value(1)
    #expect(product([denormal, 0], [0x1p100, 0], onto: [3], rows: 1, columns: 1, pairs: 1) == [3])
    #expect(product([0x1p-70, 0], [0x1p-70, 0], onto: [0], rows: 1, columns: 1, pairs: 1) == [0])
    #expect(product([0, 0], [0, 0], onto: [0x1p-140], rows: 1, columns: 1, pairs: 1) == [0])
    #expect(product([0x1p-63, 0], [0x1p-63, 0], onto: [0], rows: 1, columns: 1, pairs: 1) == [0x1p-126])
  }

  @Test func `infinity stays, and infinity times zero is no number`() {
    let infinity = Float.infinity
    #expect(product([infinity, 1], [2, 1], onto: [1], rows: 1, columns: 1, pairs: 1) == [infinity])
    #expect(product([infinity, 1], [0, 1], onto: [1], rows: 1, columns: 1, pairs: 1)[0].isNaN)
  }

  @Test func `a configuration reads as it was written, and as zeros after the release`() {
    var configured = [UInt8](repeating: 9, count: 64)
    var released = configured
    te_configurations(&configured, &released)
    #expect(configured[0] == 1 && configured[1..<16].allSatisfy { $0 == 0 })
    #expect((0..<8).allSatisfy { configured[16 + 2 * $0] == 64 && configured[17 + 2 * $0] == 0 })
    #expect(configured[32..<48].allSatisfy { $0 == 0 } && configured[48..<56].allSatisfy { $0 == 16 })
    #expect(configured[56...].allSatisfy { $0 == 0 } && released.allSatisfy { $0 == 0 })
  }
}

@Suite(.enabled(if: tileRow != nil, "no AVX-512 VNNI beside which tiles could be emulated"))
struct TileTests {
  private func vector(_ count: Int, seed: UInt64) -> [Float] {
    var random = SeededRandom(seed: seed)
    return (0..<count).map { _ in Float.random(in: -2...2, using: &random) }
  }

  @Test func `all panels but those of 32-bit floats and of sparse rows go by tiles, in whole groups of columns`() throws
  {
    let tiles = try #require(tileRow)
    let others = (0..<Int32(CK_TYPE_COUNT.rawValue)).filter { ck_has_panels($0) != 0 && !tileTypes.contains($0) }
    #expect(others == [0, 73, 74])
    #expect(ck_takes_tiles(tiles.row, 1, 48) == 0 && ck_takes_tiles(tiles.row, 9, 256) == 0)
    #expect(ck_takes_tiles(ck_kernels_for(CK_AVX512_VNNI), 8, 256) == 0)
  }

  @Test func `the known product that is asked of every processor comes out right`() {
    #expect(ck_tiles_are_right() == 1)
  }

  @Test(arguments: [1, 5, 16, 40], [32, 96])
  func `inputs are rounded to the nearest 16-bit float, and tokens that are missing are zero`(
    tokens: Int, columns: Int
  ) throws {
    let row = try #require(tileRow).row
    // Half a step from 1 is a tie; the others lie anywhere.
    let ties: [Float] = [1.00390625, -1.00390625, Float(1.00390625).nextDown, 0]
    let x = ties + vector(max(tokens, 16) * columns - 4, seed: 1)
    let input = TileInput(x, tokens: min(tokens, 16), columns: columns, row: row)
    for token in 0..<min(tokens, 16) {
      for k in 0..<columns { #expect(input.value(token, k) == nearest(x[token * columns + k])) }
    }
    for token in min(tokens, 16)..<16 {
      for k in 0..<columns { #expect(input.value(token, k) == 0) }
    }
  }

  /// Row ranges: one panel, a pair and one more, and more than a block with three panels at the end.
  private static let shapes: [(tokens: Int, rows: Range<Int>, blocks: Int)] = [
    (1, 16..<32, 1), (17, 16..<64, 2), (32, 0..<32, 1), (40, 16..<320, 0),
  ]

  @Test(arguments: tileTypes)
  func `many vectors times panels equal the sums in doubles of what both sides are rounded to`(type: Int32) throws {
    let tiles = try #require(tileRow)
    let block = max(32, Int(ck_block_elements(type)))
    for shape in Self.shapes {
      // No number of blocks stands for a chunk of 512 columns and a block of the next.
      let columns = shape.blocks == 0 ? 512 + block : shape.blocks * block
      try check(tiles, type, tokens: shape.tokens, columns: columns, rows: shape.rows)
    }
  }

  @Test func `every number of tokens keeps to its own`() throws {
    let tiles = try #require(tileRow)
    for tokens in 1...40 { try check(tiles, 8, tokens: tokens, columns: 64, rows: 0..<16) }
    // More than the sums that wait at once.
    try check(tiles, 2, tokens: 530, columns: 32, rows: 16..<32)
  }

  @Test(arguments: [(1, 32), (40, 96), (64, 192), (530, 32)])
  func `gated sums are tiles of the rows' times the SiLU of those of their gates`(tokens: Int, rows: Int) throws {
    let row = try #require(tileRow).row
    let gate = TileMatrix(type: 8, rows: rows, columns: 544)
    let up = TileMatrix(type: 8, rows: rows, columns: 544, seed: 1)
    // Gates from deep in SiLU's flat side to far in its straight one.
    let input = TileInput(vector(tokens * 544, seed: 3).map { $0 * 8 }, tokens: tokens, columns: 544, row: row)
    func sums(_ matrix: TileMatrix) -> [Float] {
      var y = [Float](repeating: 777, count: tokens * rows)
      matrix.multiply(row, input, into: &y, stride: rows, rows: 0..<rows)
      return y
    }
    let (gates, plain) = (sums(gate), sums(up))
    let gated = TileInput(tokens: tokens, columns: rows)
    var y = [Float](repeating: 777, count: tokens * rows)
    // A single panel is half of a tile's columns.
    for own in [0..<rows - 16, rows - 16..<rows] {
      up.multiply(row, input, into: &y, stride: rows, rows: own, gate: gate, gated: gated)
    }
    #expect(y.allSatisfy { $0 == 777 })
    #expect(gates.contains { $0 < -60 } && gates.contains { $0 > 60 })
    for token in 0..<tokens {
      for k in 0..<rows {
        let (g, u) = (Double(gates[token * rows + k]), Double(plain[token * rows + k]))
        let exact = g / (1 + exp(-g)) * u
        // The power's error is the exponent's rounding, 2⁻²⁴ of up to 64 log₂ e; below e^-44 it is taken for zero. Then
        // half a step of a 16-bit float.
        let bound = abs(exact) * 0x1p-17 + abs(g * u) * 0x1p-63
        #expect(abs(Double(gated.value(token, k)) - exact) <= bound + (abs(exact) + bound) * 0x1p-8)
      }
    }
    for token in tokens..<(tokens + 15) / 16 * 16 {
      for k in 0..<rows { #expect(gated.value(token, k) == 0) }
    }
  }

  @Test(arguments: [(1, 16), (40, 48), (64, 176), (530, 32)])
  func `sums that are added are those of the rows and what was there, rounded once more`(
    tokens: Int, rows: Int
  ) throws {
    let row = try #require(tileRow).row
    let matrix = TileMatrix(type: 8, rows: rows, columns: 544)
    let input = TileInput(vector(tokens * 544, seed: 3), tokens: tokens, columns: 544, row: row)
    let before = vector(tokens * rows, seed: 5)
    var (plain, added) = (before, before)
    matrix.multiply(row, input, into: &plain, stride: rows, rows: 0..<rows)
    matrix.multiply(row, input, into: &added, stride: rows, rows: 0..<rows, adds: true)
    for index in added.indices { #expect(added[index] == plain[index] + before[index]) }
  }

  @Test func `the ceiling counts the multiply-adds of its instructions`() throws {
    var operations = 0.0
    let sum = try #require(tileRow).row.pointee.tile_peak(nil, 64, &operations)
    #expect(operations == 64 * 4 * 2 * 8192)
    // Sixteen products of 2⁻¹⁰ and itself an instruction.
    #expect(sum == 64 * 16 * 0x1p-20)
  }

  @Test func `with loads the ceiling multiplies what lies in its room, all of the rows with each token`() throws {
    let row = try #require(tileRow).row
    let count = Int(ck_gemm_scratch_bytes(row)) / 2
    let memory = UnsafeMutableRawPointer.allocate(byteCount: 2 * count, alignment: 64)
    defer { memory.deallocate() }
    let room = memory.bindMemory(to: UInt16.self, capacity: count)
    // Sixteen steps of two panels' weights, then sixteen steps of each sixteen tokens: tokens of the first step alone.
    let (steps, tile) = (16, 512)
    for index in 0..<count { room[index] = index < 2 * steps * tile ? bits(2) : 0 }
    for index in 0..<tile { room[2 * steps * tile + index] = bits(3) }
    var operations = 0.0
    let sum = row.pointee.tile_peak(room, Int64(steps + 1), &operations)
    #expect(operations == 17 * 4 * 2 * 8192)
    #expect(sum == 32 * 2 * 3)
  }

  private func check(_ tiles: KernelRow, _ type: Int32, tokens: Int, columns: Int, rows: Range<Int>) throws {
    let matrix = TileMatrix(type: type, rows: rows.upperBound + 16, columns: columns)
    let x = vector(tokens * columns, seed: 7)
    let input = TileInput(x, tokens: tokens, columns: columns, row: tiles.row)
    let stride = matrix.rows + 1
    var y = [Float](repeating: 777, count: tokens * stride)
    matrix.multiply(tiles.row, input, into: &y, stride: stride, rows: rows)
    let probed = Set([rows.lowerBound, rows.lowerBound + 7, rows.upperBound - 16, rows.upperBound - 1])
    for row in probed {
      let weights = matrix.rounded(row: row)
      for token in 0..<tokens {
        let exact = weights.product(input, token)
        #expect(
          abs(Double(y[token * stride + row]) - exact.sum) <= exact.bound, "type \(type), token \(token), row \(row)")
      }
    }
    for token in 0..<tokens {
      let own = y[token * stride..<(token + 1) * stride]
      let beside = own.indices.filter { !rows.contains($0 - token * stride) }
      #expect(beside.allSatisfy { y[$0] == 777 }, "type \(type) wrote beside its rows")
    }
  }
}

/// Tokens in the order of tiles, by what they say.
private final class TileInput {
  let words: UnsafeMutableBufferPointer<UInt16>
  private let columns: Int

  /// Room alone.
  init(tokens: Int, columns: Int) {
    self.columns = columns
    let bytes = ck_tile_bytes(Int64(tokens), Int64(columns))
    words = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes, alignment: 64).bindMemory(to: UInt16.self)
    words.initialize(repeating: 0x7FC1)
  }

  convenience init(_ x: [Float], tokens: Int, columns: Int, row: UnsafePointer<ck_kernels>) {
    self.init(tokens: tokens, columns: columns)
    x.withUnsafeBufferPointer { x in
      for first in stride(from: 0, to: tokens, by: 16) {
        row.pointee.make_tiles(
          x.baseAddress.map { $0 + first * columns }, Int64(columns), Int64(tokens - first), Int64(columns),
          words.baseAddress.map { $0 + first * columns })
      }
    }
  }

  deinit { words.deallocate() }

  func value(_ token: Int, _ k: Int) -> Float {
    CKernelsTests.value(words[token / 16 * 16 * columns + k / 32 * 512 + token % 16 * 32 + k % 32])
  }
}

/// A row of weights as 16-bit floats, and how far each may be from that where its rounding hangs on the last bit.
private struct RoundedRow {
  var values: [Double]
  var slack: [Double]

  /// A term passes at most 16 additions within an instruction, two at its end and one for each other instruction: each
  /// rounds by 2⁻²⁴ of a partial sum, which no sum of magnitudes falls short of.
  func product(_ input: TileInput, _ token: Int) -> (sum: Double, bound: Double) {
    var (sum, magnitude, doubt) = (0.0, 0.0, 0.0)
    for k in values.indices {
      let x = Double(input.value(token, k))
      sum += values[k] * x
      magnitude += abs(values[k] * x)
      doubt += slack[k] * abs(x)
    }
    return (sum, doubt + Double(values.count / 32 + 18) * 0x1p-24 * (magnitude + doubt) * 1.001 + 1e-30)
  }
}

/// A matrix of random blocks in panels, and what it decodes to.
private struct TileMatrix {
  let type: Int32
  let rows: Int
  let columns: Int
  private let panels: [UInt8]
  private let decoded: [Float]

  init(type: Int32, rows: Int, columns: Int, seed: UInt64 = 0) {
    (self.type, self.rows, self.columns) = (type, rows, columns)
    let seed = UInt64(type) * 100 + UInt64(columns) + seed
    let weights = randomWeights(type: type, rows: rows, columns: columns, seed: seed)
    panels = interleavedWeights(weights, type: type, rows: rows, columns: columns)
    decoded = decodedWeights(weights, type: type, count: rows * columns)
  }

  func multiply(
    _ row: UnsafePointer<ck_kernels>, _ input: TileInput, into y: inout [Float], stride: Int, rows: Range<Int>,
    adds: Bool = false, gate: TileMatrix? = nil, gated: TileInput? = nil
  ) {
    let scratch = UnsafeMutableRawPointer.allocate(byteCount: ck_gemm_scratch_bytes(row), alignment: 64)
    defer { scratch.deallocate() }
    let tokens = y.count / stride
    panels.withUnsafeBytes { panels in
      (gate?.panels ?? []).withUnsafeBytes { gates in
        y.withUnsafeMutableBufferPointer { y in
          var job = ck_panel_job(
            type: type, panels: panels.baseAddress, input: input.words.baseAddress, tokens: Int64(tokens),
            columns: Int64(columns), y: y.baseAddress, y_stride: Int64(stride), scratch: scratch,
            adds: adds ? 1 : 0, gate: gate == nil ? nil : gates.baseAddress, gated: gated?.words.baseAddress)
          row.pointee.panel_tiles(&job, Int64(rows.lowerBound), Int64(rows.upperBound))
        }
      }
    }
  }

  /// The kernel's float may differ from the decoder's in its last bits: by 2⁻²² of it, and in the formats of levels that
  /// are no whole numbers by half a step of a hundred-and-twentieth of the block's largest.
  func rounded(row: Int) -> RoundedRow {
    let own = decoded[row * columns..<(row + 1) * columns]
    let largest = decoded.map(\.magnitude).max() ?? 0
    let levels = [Int32(CK_NF4.rawValue), Int32(CK_FP4.rawValue)].contains(type) ? largest * (0.5 / 120) : 0
    let ends = own.map { weight -> (Double, Double) in
      let doubt = weight.magnitude * 0x1p-22 + levels
      return (Double(nearest(weight - doubt)), Double(nearest(weight + doubt)))
    }
    return RoundedRow(values: ends.map { ($0.0 + $0.1) / 2 }, slack: ends.map { ($0.1 - $0.0) / 2 })
  }
}
