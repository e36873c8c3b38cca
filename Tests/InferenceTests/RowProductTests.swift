// SPDX-License-Identifier: Apache-2.0
import CKernels
import CostModel
import LanguageModel
import Testing

@testable import Inference

/// One token's products whose rows their thread goes on with, beside the same as jobs of their own: bit for bit.
@Suite struct RowProductTests {
  private static let columns = 256
  /// Blocks of 256 as `down`'s columns, and no whole number of runs for three threads.
  private static let rows = 512
  private static let threadCounts = [1, 2, 3]

  /// Weights of any bytes: both ways read them alike. Scales in half precision are small normal numbers.
  private final class Bytes {
    let memory: UnsafeMutableRawBufferPointer
    private var used = 0

    init() {
      memory = .allocate(byteCount: 4 << 20, alignment: 64)
      var state: UInt64 = 1
      for index in memory.indices {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        memory[index] = UInt8(0x2A + (state >> 33) % 13)
      }
    }
    deinit { memory.deallocate() }

    func matrix(_ format: RuntimeFormat, rows: Int, columns: Int, interleaved: Int) -> PreparedMatrix {
      let rowBytes = columns / format.elementsPerBlock * format.bytesPerBlock
      defer { used += (rows * rowBytes + 63) / 64 * 64 }
      precondition(used + rows * rowBytes <= memory.count)
      return PreparedMatrix(
        address: UnsafeRawPointer(memory.baseAddress.unsafelyUnwrapped) + used, type: format.kernelType, rows: rows,
        columns: columns,
        rowBytes: rowBytes, interleavedRows: min(rows, interleaved))
    }
  }

  private func withProducts<Result>(
    _ pool: ThreadPool, _ kernels: KernelSet, _ body: (Products) throws -> Result
  ) throws -> Result {
    let plan = RuntimeMemoryPlan(
      architecture: smallArchitecture(layers: 1), inventory: TensorInventory(tensors: []),
      workload: Workload(contextTokens: 32), threads: pool.count)
    let buffers = try RuntimeBuffers(plan: plan)
    return try withExtendedLifetime(buffers) {
      try body(Products(kernels: kernels, pool: pool, buffers: buffers, widest: Self.rows))
    }
  }

  private func input(_ count: Int) -> [Float] { (0..<count).map { Float($0 * 5 % 31) / 31 - 0.4 } }

  private func sets() -> [KernelSet] {
    KernelSet.Name.allCases.compactMap { try? KernelSet($0) }.filter { $0.interleaves(RuntimeFormat(.q4_0).kernelType) }
  }

  @Test(arguments: [BlockFormat.q4_0, .q6_k, .f16], [0, 496, rows])
  func `rows that are activated where they were multiplied give the next product the same input`(
    format: BlockFormat, interleaved: Int
  ) throws {
    for kernels in sets() {
      for threads in Self.threadCounts {
        try withPool(threads) { pool in
          try withProducts(pool, kernels) { checkGated($0, RuntimeFormat(format), interleaved) }
        }
      }
    }
  }

  private func checkGated(_ products: Products, _ format: RuntimeFormat, _ interleaved: Int) {
    let (bytes, x) = (Bytes(), input(Self.columns))
    let (kernels, pool) = (products.kernels, products.pool)
    let gate = bytes.matrix(format, rows: Self.rows, columns: Self.columns, interleaved: interleaved)
    let up = bytes.matrix(format, rows: Self.rows, columns: Self.columns, interleaved: Self.rows)
    let down = bytes.matrix(format, rows: Self.columns, columns: Self.rows, interleaved: interleaved)
    var apart = [[Float]](repeating: [Float](repeating: 0, count: Self.rows), count: 3)
    var together = apart
    apart.withPointers { room in
      products.multiply(x, tokens: 1, by: [gate, up], into: [room[0], room[1]])
      kernels.row.pointee.silu_mul(room[0], room[1], room[0], Int64(Self.rows))
      products.multiply(room[0], tokens: 1, by: [down], into: [room[2]])
      kernels.row.pointee.add(x, room[2], Int64(Self.columns))
    }
    let runs = together.withPointers { room in
      room[2].update(from: x, count: Self.columns)
      var runs = 0
      let next = products.multiplyOne(x, by: [gate, up], into: [room[0], room[1]], then: down) { rows in
        runs += pool.count == 1 ? 1 : 0
        kernels.row.pointee.silu_mul(
          room[0] + rows.lowerBound, room[1] + rows.lowerBound, room[0] + rows.lowerBound, Int64(rows.count))
      }
      if let next { products.multiplyOne(next, by: down, into: room[1], addingTo: room[2]) }
      return runs
    }
    #expect(apart[2].allSatisfy(\.isFinite) && Set(apart[2].prefix(Self.columns)).count > Self.columns / 2)
    #expect(together[2] == apart[2] && together[0] == apart[0], "\(kernels.name), \(pool.count) threads")
    #expect(runs == (pool.count == 1 ? 1 : 0))
  }

  @Test func `an input in another order, or without its outliers, is left to jobs of their own`() throws {
    let (bytes, x) = (Bytes(), input(Self.columns))
    var plain = bytes.matrix(RuntimeFormat(.q8_0), rows: Self.columns, columns: Self.columns, interleaved: 0)
    plain.splitsOutliers = true
    var rooms = [[Float]](repeating: [Float](repeating: 7, count: Self.columns), count: 2)
    try withPool(1) { pool in
      try withProducts(pool, .best) { products in
        rooms.withPointers { room in
          #expect(!products.multiplyOne(x, by: plain, in: room[0], addingTo: room[1]))
          #expect(products.multiplyOne(x, by: [plain], into: [room[0]], then: plain) { _ in } == nil)
        }
      }
    }
    #expect(rooms.allSatisfy { $0.allSatisfy { $0 == 7 } })
  }
}

extension [[Float]] {
  /// Lets `body` write each list.
  fileprivate mutating func withPointers<Result>(
    _ body: ([UnsafeMutablePointer<Float>]) throws -> Result
  ) rethrows -> Result {
    let rooms = map { values in
      let room = UnsafeMutableBufferPointer<Float>.allocate(capacity: values.count)
      _ = room.initialize(from: values)
      return room
    }
    defer {
      self = rooms.map { [Float]($0) }
      for room in rooms { room.deallocate() }
    }
    return try body(rooms.compactMap(\.baseAddress))
  }
}
