// SPDX-License-Identifier: Apache-2.0

/// How a run of pieces is cut into chunks, neighbours that a thread takes at a time: half of what is left each within
/// these bounds, so that there are few to take and the last ones to finish are small.
package struct ChunkSize: Sendable, Equatable {
  /// Of pieces; only what is left at last may be fewer.
  let least: Int
  let most: Int

  package init(least: Int, most: Int = .max) {
    self.least = least
    self.most = most
  }

  /// How many chunks a run of so many pieces has.
  func count(of pieces: Int) -> Int {
    var (count, left) = (0, pieces)
    while left > 0 {
      left -= next(of: left)
      count += 1
    }
    return count
  }

  /// The pieces of a chunk by its place in the run.
  func range(_ place: Int, of pieces: Int) -> Range<Int> {
    var left = pieces
    for _ in 0..<place { left -= next(of: left) }
    return pieces - left..<pieces - left + next(of: left)
  }

  /// Pieces of the next chunk when so many are left.
  private func next(of left: Int) -> Int { min(left, max(least, min(left / 2, most))) }
}
