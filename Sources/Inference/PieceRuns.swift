// SPDX-License-Identifier: Apache-2.0

/// How a job over several lists is cut: each list into one run for each thread, or all lists together, which gives the
/// threads fewer runs to begin; each run into chunks.
///
/// All is divided once: a thread takes a chunk every few microseconds.
struct PieceRuns: @unchecked Sendable {
  struct Run {
    let pieces: Range<Int>
    /// Of the same thread's runs of the lists before.
    let chunksBefore: Int
  }

  private let size: ChunkSize
  private let lists: Int
  /// By thread, then by list. Not an array: all threads read them, and would count their references to it together.
  private let runs: UnsafeMutableBufferPointer<Run>

  /// How many runs there are: the room that they need.
  static func count(lists: [Int], threads: Int) -> Int { lists.count * threads }

  /// - Parameters:
  ///   - areApart: whether each list is cut by itself.
  ///   - room: uninitialised, for `count` runs.
  init(lists: [Int], size: ChunkSize, threads: Int, areApart: Bool, in room: UnsafeMutableBufferPointer<Run>) {
    self.size = size
    self.lists = lists.count
    runs = room
    let total = lists.reduce(0, +)
    for thread in 0..<threads {
      let together = ChunkShares.own(thread, of: total, among: threads)
      var (chunks, start) = (0, 0)
      for (list, count) in lists.enumerated() {
        let part = together.clamped(to: start..<start + count)
        let pieces =
          areApart
          ? ChunkShares.own(thread, of: count, among: threads) : part.lowerBound - start..<part.upperBound - start
        room.initializeElement(at: thread * lists.count + list, to: Run(pieces: pieces, chunksBefore: chunks))
        chunks += self.chunks(of: pieces)
        start += count
      }
    }
  }

  /// Chunks of a thread's runs of all lists.
  func chunks(_ thread: Int) -> Int {
    guard lists > 0 else { return 0 }
    let last = runs[(thread + 1) * lists - 1]
    return last.chunksBefore + chunks(of: last.pieces)
  }

  private func chunks(of pieces: Range<Int>) -> Int { size.count(of: pieces.count) }

  /// The pieces of one of them, which are counted through the lists in order.
  func chunk(_ place: Int, ofThread thread: Int) -> (list: Int, pieces: Range<Int>) {
    var list = lists - 1
    // A list without pieces begins where the next one does, which is met first.
    while runs[thread * lists + list].chunksBefore > place { list -= 1 }
    let run = runs[thread * lists + list]
    let chunk = size.range(place - run.chunksBefore, of: run.pieces.count)
    let start = run.pieces.lowerBound
    return (list, start + chunk.lowerBound..<start + chunk.upperBound)
  }
}
