// SPDX-License-Identifier: Apache-2.0

/// How a job over several lists is cut: each list into one run for each thread, or all lists together, which gives the
/// threads fewer runs to begin; each run into chunks.
///
/// All is divided once: a thread takes a chunk every few microseconds.
struct PieceRuns: Sendable {
  private struct Run {
    let pieces: Range<Int>
    /// Of the same thread's runs of the lists before.
    let chunksBefore: Int
  }

  let threads: Int
  private let grain: Int
  private let lists: Int
  /// By thread, then by list.
  private var runs: [Run] = []
  private var sizes: [Int] = []

  /// - Parameter areApart: whether each list is cut by itself.
  init(lists: [Int], grain: Int, threads: Int, areApart: Bool) {
    self.threads = threads
    self.grain = grain
    self.lists = lists.count
    let total = lists.reduce(0, +)
    for thread in 0..<threads {
      let together = ChunkShares.own(thread, of: total, among: threads)
      var (chunks, start) = (0, 0)
      for count in lists {
        let part = together.clamped(to: start..<start + count)
        let pieces =
          areApart
          ? ChunkShares.own(thread, of: count, among: threads) : part.lowerBound - start..<part.upperBound - start
        runs.append(Run(pieces: pieces, chunksBefore: chunks))
        chunks += (pieces.count + grain - 1) / grain
        start += count
      }
      sizes.append(chunks)
    }
  }

  /// Chunks of a thread's runs of all lists.
  func chunks(_ thread: Int) -> Int { sizes[thread] }

  /// The pieces of one of them, which are counted through the lists in order.
  func chunk(_ place: Int, ofThread thread: Int) -> (list: Int, pieces: Range<Int>) {
    var list = lists - 1
    // A list without pieces begins where the next one does, which is met first.
    while runs[thread * lists + list].chunksBefore > place { list -= 1 }
    let run = runs[thread * lists + list]
    let start = run.pieces.lowerBound + (place - run.chunksBefore) * grain
    return (list, start..<min(start + grain, run.pieces.upperBound))
  }
}
