// SPDX-License-Identifier: Apache-2.0

/// How a run of pieces is cut into chunks, neighbours that a thread takes at a time.
package enum ChunkSize: Sendable, Equatable {
  /// So many pieces each, the last one perhaps fewer.
  case equal(Int)
  /// Half of what is left each, but at least so many pieces: few to take, and the last ones to finish are small.
  case halves(atLeast: Int)

  /// How many chunks a run of so many pieces has.
  func count(of pieces: Int) -> Int {
    switch self {
    case .equal(let size): (pieces + size - 1) / size
    case .halves: steps(through: pieces)
    }
  }

  /// The pieces of a chunk by its place in the run.
  func range(_ place: Int, of pieces: Int) -> Range<Int> {
    switch self {
    case .equal(let size): return place * size..<min((place + 1) * size, pieces)
    case .halves:
      var left = pieces
      for _ in 0..<place { left -= next(of: left) }
      return pieces - left..<pieces - left + next(of: left)
    }
  }

  /// Pieces of the next chunk when so many are left.
  private func next(of left: Int) -> Int {
    switch self {
    case .equal(let size): min(left, size)
    case .halves(let least): min(left, max(least, left / 2))
    }
  }

  private func steps(through pieces: Int) -> Int {
    var (count, left) = (0, pieces)
    while left > 0 {
      left -= next(of: left)
      count += 1
    }
    return count
  }
}
