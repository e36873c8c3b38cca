// SPDX-License-Identifier: Apache-2.0
import CKernels
import Foundation
import LanguageModel
import TestSupport
import Testing

/// Rows of which any weights are kept, against sums in doubles.
@Suite struct KeptRowTests {
  private static let shares: [(kept: Double, columns: Int)] = [
    (0, 64), (0.03, 256), (0.1, 64), (0.5, 64), (0.5, 320), (0.3, 1024), (0.9, 192), (1, 128),
  ]

  @Test(arguments: [CK_KEPT_MASK, CK_KEPT_LIST], shares)
  func `a vector times kept rows equals the sum in doubles, and nothing behind the rows is read`(
    type: ck_type, share: (kept: Double, columns: Int)
  ) throws {
    let matrix = try KeptMatrix(type, rows: 7, columns: share.columns, kept: share.kept)
    var random = SeededRandom(seed: 3)
    let x = (0..<share.columns).map { _ in Float.random(in: -2...2, using: &random) }
    for kernels in supportedRows() {
      var y = [Float](repeating: 777, count: 9)
      x.withUnsafeBufferPointer { x in
        var input = ck_activations()
        input.f32 = x.baseAddress
        ck_run_matvec(
          kernels.row, matrix.type, matrix.address, matrix.rowBytes, &input, &y, 1, 7, Int64(share.columns))
      }
      for row in 1..<7 { expect(y[row], matrix, row, x.map(Double.init), "\(kernels.name), row \(row)") }
      #expect(y[0] == 777 && y[7] == 777, "\(kernels.name) wrote beside its rows")
    }
  }

  @Test(arguments: [CK_KEPT_MASK, CK_KEPT_LIST], [1, 7, 37])
  func `many vectors times kept rows equal the sums in doubles`(type: ck_type, tokens: Int) throws {
    // A chunk and a part of one; a panel of rows and a part of one.
    let (rows, columns) = (83, 320)
    let matrix = try KeptMatrix(type, rows: rows, columns: columns, kept: 0.3)
    var random = SeededRandom(seed: 4)
    let x = (0..<tokens * columns).map { _ in Float.random(in: -2...2, using: &random) }
    for kernels in supportedRows() {
      let input = FloatInput(
        x, tokens: tokens, columns: columns, type: matrix.type, isInterleaved: false, kernels.row)
      let y = product(kernels.row, matrix, input)
      for token in 0..<tokens {
        let represented = (0..<columns).map { input.value(token, $0) }
        for row in 2..<rows {
          expect(
            y[token * (rows + 1) + row], matrix, row, represented, inWords: input.isInWords,
            "\(kernels.name), token \(token), row \(row)")
        }
        #expect(y[token * (rows + 1) + 1] == 777 && y[token * (rows + 1) + rows] == 777, "\(kernels.name)")
      }
    }
  }

  private func product(_ row: UnsafePointer<ck_kernels>, _ matrix: KeptMatrix, _ input: FloatInput) -> [Float] {
    var scratch = [Float](repeating: 0, count: ck_gemm_scratch_bytes(row) / 4)
    var y = [Float](repeating: 777, count: input.tokens * (matrix.rows + 1))
    scratch.withUnsafeMutableBufferPointer { scratch in
      y.withUnsafeMutableBufferPointer { y in
        var job = input.job
        job.weights = matrix.address
        job.row_bytes = matrix.rowBytes
        job.y = y.baseAddress
        job.y_stride = Int64(matrix.rows + 1)
        job.scratch = scratch.baseAddress
        row.pointee.gemm(&job, 2, Int64(matrix.rows))
      }
    }
    return y
  }

  /// The bound on any order of float sums (see ProductTests): halves are exact, zeros add nothing.
  private func expect(
    _ y: Float, _ matrix: KeptMatrix, _ row: Int, _ x: [Double], inWords: Bool = false, _ comment: Comment
  ) {
    let weights = matrix.values[row * matrix.columns..<(row + 1) * matrix.columns].map(Double.init)
    let products = zip(weights, x).map { $0 * $1 }
    let words = inWords ? wordBound(weights, x) : 0
    let bound = Double(matrix.columns) * 0x1p-23 * products.reduce(0) { $0 + abs($1) } + words + 1e-30
    #expect(abs(Double(y) - products.reduce(0, +)) <= bound, comment)
  }

  @Test func `the runtime's formats have the room that the kernels want`() throws {
    for columns in stride(from: 64, through: 4096, by: 64) {
      for permille in [1, 37, 100, 101, 500, 900] {
        guard let format = RuntimeFormat.keptRows(permille: permille, columns: columns) else { continue }
        #expect(format.keptRoom == max(1, SparsePattern.kept(permille: permille, of: columns)))
        #expect(ck_is_kept(format.kernelType) != 0 && format.bytesPerBlock < 2 * columns)
        if !format.isKeptList { #expect(format.bytesPerBlock - 2 * format.keptRoom >= 32) }
      }
    }
    #expect(RuntimeFormat.keptRows(permille: 500, columns: 100) == nil)
    #expect(RuntimeFormat.keptRows(permille: 950, columns: 4096) == nil)
  }
}

/// A matrix of kept rows at the very end of its pages, with another page behind them that nobody may read.
private final class KeptMatrix {
  let type: Int32
  let rows: Int
  let columns: Int
  let rowBytes: Int
  let values: [Float]
  let address: UnsafeRawPointer
  private let base: UnsafeMutableRawPointer
  private let mapped: Int

  init(_ type: ck_type, rows: Int, columns: Int, kept: Double) throws {
    self.type = Int32(type.rawValue)
    (self.rows, self.columns) = (rows, columns)
    var random = SeededRandom(seed: UInt64(columns))
    let values = (0..<rows * columns).map { _ -> Float in
      let value = Float(Float16(Float.random(in: 0.01...1, using: &random)))
      return Double.random(in: 0..<1, using: &random) < kept ? -value : 0
    }
    self.values = values
    // Rows differ, and none fills its room.
    let room = 1 + (0..<rows).map { row in (0..<columns).count { values[row * columns + $0] != 0 } }.reduce(0, max)
    let isList = type == CK_KEPT_LIST
    rowBytes = isList ? room * 4 : room * 2 + max(32, columns / 8)
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    mapped = (rows * rowBytes + page - 1) / page * page
    base = try #require(mmap(nil, mapped + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))
    mprotect(base + mapped, page, PROT_NONE)
    address = UnsafeRawPointer(base + mapped - rows * rowBytes)
    for row in 0..<rows { write(row, room: room, isList: isList) }
  }

  deinit { munmap(base, mapped + Int(sysconf(Int32(_SC_PAGESIZE)))) }

  private func write(_ row: Int, room: Int, isList: Bool) {
    let out = UnsafeMutableRawPointer(mutating: address) + row * rowBytes
    func put(_ word: UInt16, _ offset: Int) { out.storeBytes(of: word, toByteOffset: offset, as: UInt16.self) }
    if isList { for place in 0..<room { put(UInt16(columns - 1), (room + place) * 2) } }
    var place = 0
    for column in 0..<columns where values[row * columns + column] != 0 {
      put(Float16(values[row * columns + column]).bitPattern, place * 2)
      if isList { put(UInt16(column), (room + place) * 2) }
      let byte = rowBytes - columns / 8 + column / 8
      if !isList {
        let old = out.load(fromByteOffset: byte, as: UInt8.self)
        out.storeBytes(of: old | 1 << UInt8(column % 8), toByteOffset: byte, as: UInt8.self)
      }
      place += 1
    }
  }
}
