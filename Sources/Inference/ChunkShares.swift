// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Which chunk of a job each thread takes next: first those of its own share in order, then what others have left.
///
/// A share is runs of neighbours, so that a thread reads on where it stopped and what it fetched ahead is its own next
/// chunk.
struct ChunkShares: @unchecked Sendable {
  /// The most threads that may share a job.
  let threads: Int
  private let memory: UnsafeMutableRawPointer
  /// Shares stand two cache lines apart: processors fetch lines in pairs.
  private static let spacing = 128

  private struct Share: ~Copyable {
    let taken = Atomic<Int>(0)
    var chunks = 0
  }

  init(threads: Int) {
    self.threads = threads
    memory = .allocate(byteCount: threads * Self.spacing, alignment: Self.spacing)
    for thread in 0..<threads {
      (memory + thread * Self.spacing).bindMemory(to: Share.self, capacity: 1).initialize(to: Share())
    }
  }

  func deallocate() { memory.deallocate() }

  private func share(_ thread: Int) -> UnsafeMutablePointer<Share> {
    (memory + thread * Self.spacing).assumingMemoryBound(to: Share.self)
  }

  /// A thread's own run of `count` neighbours. Nothing else decides it: in all jobs of so many threads it is the same
  /// thread that touches an element first.
  static func own(_ thread: Int, of count: Int, among threads: Int) -> Range<Int> {
    thread * count / threads..<(thread + 1) * count / threads
  }

  /// Before a job, while no thread takes any: the chunks of each thread's share.
  func divide(among threads: Int, chunks: (_ thread: Int) -> Int) {
    for thread in 0..<threads {
      share(thread).pointee.taken.store(0, ordering: .relaxed)
      share(thread).pointee.chunks = chunks(thread)
    }
  }

  /// A chunk that nobody has taken, for this thread, by its place in a share; nil when there is none.
  func take(_ thread: Int, among threads: Int) -> (share: Int, chunk: Int)? {
    for offset in 0..<threads {
      let owner = (thread + offset) % threads
      let share = share(owner)
      let chunks = share.pointee.chunks
      // Asked first, so that a finished share is not counted on without end.
      guard share.pointee.taken.load(ordering: .relaxed) < chunks else { continue }
      let chunk = share.pointee.taken.wrappingAdd(1, ordering: .relaxed).oldValue
      if chunk < chunks { return (owner, chunk) }
    }
    return nil
  }
}
