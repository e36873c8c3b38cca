// SPDX-License-Identifier: Apache-2.0
import CKernels
internal import CostModel

/// Taking positions out of the middle of a sequence: the rows behind them move up, and their keys turn with them.
extension KVCache {
  /// How many tokens behind the first `kept` ones a sequence may lose: half of them, and no more than leaves every window
  /// that has left the first ones behind full of tokens that stood together before.
  func droppable(length: Int, kept: Int) -> Int {
    layout.layers.reduce((length - kept) / 2) { count, layer in
      guard let window = layer.window, layer.rows < length else { return count }
      return min(count, length - kept - (window - 1))
    }
  }

  /// How a layer's keys follow their position: `width` elements a row, of which those from `offset` on turn.
  struct KeyTurn: Sendable {
    let turn: RopeTurn
    let width: Int
    let offset: Int
  }

  /// A track's rows on their way; keys turn on it.
  struct ShiftedTrack: @unchecked Sendable {
    let move: Move
    let turn: KeyTurn?
  }

  /// What to do with a layer's rows so that positions in `range` are gone; the layer's first position is noted at once.
  ///
  /// - Parameter length: tokens of the sequence, at least the range's end.
  func shifts(
    _ range: Range<Int>, of layer: Int, sequence: Int, length: Int, turn: KeyTurn?
  ) -> [ShiftedTrack] {
    let first = self.first(layer, sequence)
    let tracks = tracks(layer, sequence: sequence)
    // Rows of the first tokens are there or, where the layer has left them behind, not needed any more (`droppable`).
    let start = max(first, range.upperBound)
    let target = first == 0 ? range.lowerBound : 0
    set(first: first == 0 ? 0 : start - range.count, layer, sequence)
    return tracks.map { track in
      ShiftedTrack(
        move: Move(track: track, from: start - first, to: target, count: length - start),
        turn: track.isKeys ? turn : nil)
    }
  }

  /// Moves a track's rows, keys by way of floats: those of a format with fewer bits are rounded once more.
  func run(_ shifted: ShiftedTrack, kernels: UnsafePointer<ck_kernels>) {
    guard let turn = shifted.turn else { return shifted.move.run() }
    let (move, track) = (shifted.move, shifted.move.track)
    withUnsafeTemporaryAllocation(of: Float.self, capacity: turn.width) { row in
      guard let base = row.baseAddress else { return }
      for index in 0..<move.count {
        load(track.rows + (move.from + index) * track.rowBytes, count: turn.width, into: base, kernels: kernels)
        turn.turn.apply(to: base + turn.offset)
        store(base, count: turn.width, at: track.rows + (move.to + index) * track.rowBytes, kernels: kernels)
      }
    }
  }
}
