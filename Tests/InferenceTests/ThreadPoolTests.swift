// SPDX-License-Identifier: Apache-2.0
import Synchronization
import Testing

@testable import Inference

@Suite struct ThreadPoolTests {
  @Test(arguments: [1, 2, 3, 5], [1, 7, 64])
  func `every element of a job is run once, whatever the threads and the grain`(threads: Int, grain: Int) throws {
    let pool = try ThreadPool(count: threads)
    defer { pool.stop() }
    for count in [1, 6, 7, 63, 64, 65, 1000] {
      let seen = Mutex([Int](repeating: 0, count: count))
      pool.forEachChunk(of: count, grain: grain) { thread, range in
        #expect((0..<threads).contains(thread))
        #expect(count <= grain || range.lowerBound % grain == 0)
        seen.withLock { seen in for index in range { seen[index] += 1 } }
      }
      #expect(seen.withLock { $0.allSatisfy { $0 == 1 } })
    }
  }

  @Test func `a share whose thread is held up is finished by the others`() throws {
    let pool = try ThreadPool(count: 2)
    defer { pool.stop() }
    let others = Atomic(0)
    // Chunk 0 ends only when all the others have been run: by the other thread, since this one waits.
    pool.forEachChunk(of: 16, grain: 1) { _, range in
      if range.lowerBound > 0 { others.add(1, ordering: .relaxed) }
      while range.lowerBound == 0, others.load(ordering: .relaxed) < 15 {}
    }
    #expect(others.load(ordering: .relaxed) == 15)
  }

  @Test func `shares are runs of neighbours, taken in order before others' are`() {
    let shares = ChunkShares(threads: 3)
    defer { shares.deallocate() }
    shares.divide(7)
    #expect((0..<3).map { _ in shares.take(1, of: 7) } == [2, 3, 4])
    #expect((0..<2).map { _ in shares.take(0, of: 7) } == [0, 1])
    #expect((0..<3).map { _ in shares.take(2, of: 7) } == [5, 6, nil])
  }
}
