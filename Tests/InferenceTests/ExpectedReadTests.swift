// SPDX-License-Identifier: Apache-2.0
import CostModel
import LanguageModel
import Quantities
import TestSupport
import Testing

@testable import Inference

@Suite struct ExpectedReadTests {
  private let bytes = UnsafeMutableRawPointer.allocate(byteCount: 1 << 20, alignment: 64)

  private func matrix(rows: Int, columns: Int = 64) -> PreparedMatrix {
    PreparedMatrix(
      address: UnsafeRawPointer(bytes), type: RuntimeFormat(.f16).kernelType, rows: rows, columns: columns,
      rowBytes: columns * 2, interleavedRows: rows)
  }

  @Test(arguments: [1, 2, 3, 5], [0, 48, 160])
  func `threads are told where their run of the next product begins`(threads: Int, besides: Int) {
    defer { bytes.deallocate() }
    let matrix = matrix(rows: 320)
    let (first, second) = (matrix.rows / Interleaving.panelRows, besides / Interleaving.panelRows)
    let reads = ExpectedReads(matrix, besides: besides)
    withUnsafeTemporaryAllocation(of: PieceRuns.Run.self, capacity: 2 * threads) { room in
      let runs = PieceRuns(
        lists: [first, second], size: ChunkSize(least: 2), threads: threads, areApart: false, in: room)
      for thread in 0..<threads {
        let chunk = runs.chunk(0, ofThread: thread)
        let upcoming = reads.part(of: thread, among: threads)
        let offset = chunk.pieces.lowerBound * Interleaving.panelRows * matrix.rowBytes
        #expect(upcoming.next == (chunk.list == 0 ? UnsafeRawPointer(bytes) + offset : nil), "\(thread)")
        #expect((upcoming.left > 0) == (chunk.list == 0))
      }
    }
  }

  @Test func `a thread asks for no more than its run, a little at a time, and for no more than its cache holds`() {
    defer { bytes.deallocate() }
    let (small, large) = (matrix(rows: 48), matrix(rows: 4096))
    let run = ExpectedReads(small).part(of: 0, among: 1)
    #expect(run.left == small.rows * small.rowBytes)
    #expect(ExpectedReads(large).part(of: 1, among: 2).left == Upcoming.most)
    var upcoming = run
    var times = 0
    while upcoming.left > 0, times < 1000 {
      upcoming.askOrPause()
      times += 1
    }
    #expect(times == run.left / 256 && upcoming.next == UnsafeRawPointer(bytes) + run.left)
    // With nothing left it only pauses.
    upcoming.askOrPause()
    #expect(upcoming.left == 0)
  }

  @Test func `nothing is asked for where nothing is known`() {
    bytes.deallocate()
    #expect(ExpectedReads.nothing.part(of: 0, among: 2).next == nil)
  }

  @Test func `weights are read whole but for an embedding that is only looked up`() throws {
    bytes.deallocate()
    let pool = try ThreadPool(count: 2)
    defer { pool.stop() }
    for isTied in [true, false] {
      let architecture = smallArchitecture(isTied: isTied)
      let inventory = smallInventory(architecture, .q8_0)
      let session = try InferenceSession(
        architecture: architecture, weights: SyntheticWeights(inventory: inventory, pool: pool),
        workload: Workload(contextTokens: 16), kernels: .best, pool: pool)
      let read = inventory.tensors.filter { isTied || $0.role != .tokenEmbedding }.map { $0.runtimeBytes.bytes }
      #expect(WeightReads(of: session).run() == Int(read.reduce(0, +)))
    }
  }
}
