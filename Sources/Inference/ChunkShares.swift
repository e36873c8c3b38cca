// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Which chunk of a job each thread takes next: first those of its own share in order, then what others have left.
///
/// A share is runs of neighbours, so that a thread reads on where it stopped and what it fetched ahead is its own next
/// chunk.
struct ChunkShares: @unchecked Sendable {
  /// The most threads that may share a job.
  let threads: Int
  /// Chunks of each share that are taken, and that it has.
  private let taken: UnsafeMutablePointer<Atomic<Int>>
  private let sizes: UnsafeMutablePointer<Int>
  /// Counters stand two cache lines apart: processors fetch lines in pairs.
  private static let spacing = 16

  init(threads: Int) {
    self.threads = threads
    taken = .allocate(capacity: threads * Self.spacing)
    for index in 0..<threads * Self.spacing { (taken + index).initialize(to: Atomic(0)) }
    sizes = .allocate(capacity: threads)
    sizes.initialize(repeating: 0, count: threads)
  }

  func deallocate() {
    taken.deinitialize(count: threads * Self.spacing)
    taken.deallocate()
    sizes.deallocate()
  }

  /// A thread's own run of `count` neighbours. Nothing else decides it: in all jobs of so many threads it is the same
  /// thread that touches an element first.
  static func own(_ thread: Int, of count: Int, among threads: Int) -> Range<Int> {
    thread * count / threads..<(thread + 1) * count / threads
  }

  /// Before a job, while no thread takes any: the chunks of each thread's share.
  func divide(among threads: Int, chunks: (_ thread: Int) -> Int) {
    for thread in 0..<threads {
      taken[thread * Self.spacing].store(0, ordering: .relaxed)
      sizes[thread] = chunks(thread)
    }
  }

  /// A chunk that nobody has taken, for this thread, by its place in a share; nil when there is none.
  func take(_ thread: Int, among threads: Int) -> (share: Int, chunk: Int)? {
    for offset in 0..<threads {
      let share = (thread + offset) % threads
      let counter = taken + share * Self.spacing
      // Asked first, so that a finished share is not counted on without end.
      guard counter.pointee.load(ordering: .relaxed) < sizes[share] else { continue }
      let chunk = counter.pointee.add(1, ordering: .relaxed).oldValue
      if chunk < sizes[share] { return (share, chunk) }
    }
    return nil
  }
}
