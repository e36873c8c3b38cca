// SPDX-License-Identifier: Apache-2.0
import Glibc
internal import CostModel

/// Layers with a sliding window keep what their window and one pass need (`KeyValueLayout`).
///
///     before a pass of t tokens at position n:   first … n − 1 are kept;   n − first + t ≤ rows must hold
///     where it does not:                         first ← n − (window − 1) − half of what is spare,   rows move to the front
///
/// What is spare of a pass that is not full serves to forget tokens again: a sequence may go back as far as the rows reach.
extension KVCache {
  /// Whether all that the next token of a sequence of `length` would see is still there.
  func canGoBack(to length: Int, sequence: Int) -> Bool {
    layout.layers.indices.allSatisfy { reaches(length, $0, first: first($0, sequence)) }
  }

  /// Whether rows from `first` on hold the window behind a length.
  func reaches(_ length: Int, _ layer: Int, first: Int) -> Bool {
    guard let window = layout.layers[layer].window else { return true }
    return length == 0 || first <= max(0, length - (window - 1))
  }

  /// Makes room for the tokens of a pass.
  func makeRoom(for batch: Batch, on pool: ThreadPool) {
    let moves = batch.parts.flatMap { part in
      layout.layers.indices.flatMap { makeRoom(for: part, $0) }
    }
    guard !moves.isEmpty else { return }
    pool.forEachChunk(of: moves.count, grain: 1) { _, range in
      for move in moves[range] { move.run() }
    }
  }

  /// Rows of a track on their way to another place.
  struct Move: @unchecked Sendable {
    let track: Track
    let from: Int
    let to: Int
    let count: Int

    func run() {
      memmove(track.rows + to * track.rowBytes, track.rows + from * track.rowBytes, count * track.rowBytes)
    }
  }

  private func makeRoom(for part: Batch.Part, _ index: Int) -> [Move] {
    let layer = layout.layers[index]
    guard let window = layer.window else { return [] }
    let first = part.first == 0 ? 0 : self.first(index, part.sequence)
    set(first: first, index, part.sequence)
    guard part.first + part.tokens.count - first > layer.rows else { return [] }
    let tracks = tracks(index, sequence: part.sequence)
    let spare = layer.rows - (window - 1) - part.tokens.count
    let start = part.first - (window - 1) - spare / 2
    set(first: start, index, part.sequence)
    return tracks.map { Move(track: $0, from: start - first, to: 0, count: part.first - start) }
  }
}
