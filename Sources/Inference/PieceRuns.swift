// SPDX-License-Identifier: Apache-2.0

/// How a job over several lists is cut: each list into one run for each thread, each run into chunks.
struct PieceRuns: Sendable {
  let lists: [Int]
  let grain: Int
  let threads: Int

  private func own(_ thread: Int, _ count: Int) -> Range<Int> {
    ChunkShares.own(thread, of: count, among: threads)
  }

  private func chunkCount(of run: Range<Int>) -> Int { (run.count + grain - 1) / grain }

  /// Chunks of a thread's runs of all lists.
  func chunks(_ thread: Int) -> Int { lists.reduce(0) { $0 + chunkCount(of: own(thread, $1)) } }

  /// The pieces of one of them, which are counted through the lists in order.
  func chunk(_ place: Int, ofThread thread: Int) -> (list: Int, pieces: Range<Int>) {
    var left = place
    for (list, count) in lists.enumerated() {
      let run = own(thread, count)
      guard left >= chunkCount(of: run) else {
        let start = run.lowerBound + left * grain
        return (list, start..<min(start + grain, run.upperBound))
      }
      left -= chunkCount(of: run)
    }
    return (0, 0..<0)
  }
}
