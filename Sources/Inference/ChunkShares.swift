// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Which chunk of a job each thread takes next: first those of its own share in order, then what others have left.
///
/// A share is one run of neighbouring chunks, so that a thread reads on where it stopped and what it fetched ahead is
/// its own next chunk.
struct ChunkShares: @unchecked Sendable {
  let threads: Int
  private let next: UnsafeMutablePointer<Atomic<Int>>
  /// Counters stand two cache lines apart: processors fetch lines in pairs.
  private static let spacing = 16

  init(threads: Int) {
    self.threads = threads
    next = .allocate(capacity: threads * Self.spacing)
    for index in 0..<threads * Self.spacing { (next + index).initialize(to: Atomic(0)) }
  }

  func deallocate() {
    next.deinitialize(count: threads * Self.spacing)
    next.deallocate()
  }

  /// Before a job of so many chunks, while no thread takes any.
  func divide(_ chunks: Int) {
    for thread in 0..<threads { next[thread * Self.spacing].store(start(thread, chunks), ordering: .relaxed) }
  }

  /// A chunk that nobody has taken, for this thread; nil when there is none.
  func take(_ thread: Int, of chunks: Int) -> Int? {
    for offset in 0..<threads {
      let share = (thread + offset) % threads
      let end = start(share + 1, chunks)
      let counter = next + share * Self.spacing
      // Asked first, so that a finished share is not counted on without end.
      guard counter.pointee.load(ordering: .relaxed) < end else { continue }
      let chunk = counter.pointee.add(1, ordering: .relaxed).oldValue
      if chunk < end { return chunk }
    }
    return nil
  }

  private func start(_ thread: Int, _ chunks: Int) -> Int { thread * chunks / threads }
}
