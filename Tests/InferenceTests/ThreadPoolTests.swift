// SPDX-License-Identifier: Apache-2.0
import CostModel
import Foundation
import Synchronization
import TestSupport
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
    /// The next chunk of a job that a thread takes.
    func take(_ thread: Int, of chunks: Int, among threads: Int) -> Int? {
      shares.take(thread, among: threads).map {
        ChunkShares.own($0.share, of: chunks, among: threads).lowerBound + $0.chunk
      }
    }
    shares.divide(among: 3) { ChunkShares.own($0, of: 7, among: 3).count }
    #expect((0..<3).map { _ in take(1, of: 7, among: 3) } == [2, 3, 4])
    #expect((0..<2).map { _ in take(0, of: 7, among: 3) } == [0, 1])
    #expect((0..<3).map { _ in take(2, of: 7, among: 3) } == [5, 6, nil])
    shares.divide(among: 2) { ChunkShares.own($0, of: 4, among: 2).count }
    #expect((0..<3).map { _ in take(1, of: 4, among: 2) } == [2, 3, 0])
    #expect((0..<2).map { _ in take(0, of: 4, among: 2) } == [1, nil])
  }

  /// How often each thread of a pool of five ran in so many jobs of changing numbers of threads, and should have.
  private func runs(ofJobs jobs: Int, sleepEvery pause: Int) throws -> (seen: [Int], expected: [Int]) {
    let pool = try ThreadPool(count: 5)
    defer { pool.stop() }
    // Each thread writes its own place only: what it wrote is there when the job has ended, or the sum is short.
    let seen = UnsafeMutableBufferPointer<Int>.allocate(capacity: 5)
    seen.initialize(repeating: 0)
    defer { seen.deallocate() }
    nonisolated(unsafe) let place = seen
    var expected = [Int](repeating: 0, count: 5)
    var random = SeededRandom(seed: 7)
    var total = 0
    for job in 1...jobs {
      let count = Int(random.next() % 5) + 1
      for thread in 0..<count { expected[thread] += 1 }
      pool.withThreads(count) { pool.run { place[$0] += 1 } }
      total += count
      #expect(seen.reduce(0, +) == total)
      // Long enough for all workers to fall asleep, wherever they wait.
      if job % pause == 0 { usleep(20_000) }
    }
    return (Array(seen), expected)
  }

  @Test func `thousands of jobs of changing numbers of threads run once on each thread that takes part`() throws {
    let (seen, expected) = try runs(ofJobs: 4000, sleepEvery: 1000)
    #expect(seen == expected)
  }

  @Test func `workers that have fallen asleep come to the next job that they take part in`() throws {
    let (seen, expected) = try runs(ofJobs: 40, sleepEvery: 1)
    #expect(seen == expected)
  }

  @Test func `chunks of jobs of changing numbers of threads are run once, by those threads alone`() throws {
    let pool = try ThreadPool(count: 4)
    defer { pool.stop() }
    for job in 0..<300 {
      let (threads, count) = (job % 4 + 1, job % 97 + 1)
      let seen = Mutex([Int](repeating: 0, count: count))
      pool.withThreads(threads) {
        pool.forEachChunk(of: count, grain: job % 7 + 1) { thread, range in
          #expect(thread < threads)
          seen.withLock { seen in for index in range { seen[index] += 1 } }
        }
      }
      #expect(seen.withLock { $0.allSatisfy { $0 == 1 } })
    }
  }

  @Test func `outside of a pass of few rows all threads take part`() throws {
    let pool = try ThreadPool(counts: .init(decode: 2, prefill: 3))
    defer { pool.stop() }
    #expect(pool.count == 3)
    #expect(pool.active == 3)
    #expect(pool.withThreads(ofRows: 1) { pool.active } == 2)
    #expect(pool.withThreads(ofRows: 32) { pool.active } == 2)
    #expect(pool.withThreads(ofRows: 33) { pool.active } == 3)
    #expect(pool.active == 3)
  }
}
