// SPDX-License-Identifier: Apache-2.0
import CKernels
internal import CostModel

/// Products of many tokens by tiles, which can do more on the way than others: what they are told here.
extension Products {
  /// The gate of a gated product, and where its outputs go: in the form that the next product by tiles reads.
  struct Gate {
    let matrix: PreparedMatrix
    let tiles: UnsafeMutablePointer<UInt16>
  }

  /// Whether all of a matrix is multiplied by so many tokens by tiles, and as it is.
  private func isByTiles(_ matrix: PreparedMatrix, tokens: Int) -> Bool {
    guard tokens > Self.fewTokens, matrix.interleavedRows == matrix.rows, matrix.takesInputAsItIs else { return false }
    let input = ck_many_input(kernels.row, matrix.type, 1, Int64(matrix.columns), Int64(tokens))
    return input == CK_INPUT_TILES
  }

  /// stream += W · x, so that nobody passes over both again; false, and nothing done, where that is neither by tiles nor
  /// of one token.
  ///
  /// - Shapes: x (tokens, columns), stream (tokens, rows); `room`, as large, is written as well.
  func multiply(
    _ x: UnsafePointer<Float>, tokens: Int, by matrix: PreparedMatrix, in room: UnsafeMutablePointer<Float>,
    addingTo stream: UnsafeMutablePointer<Float>
  ) -> Bool {
    if tokens == 1 { return multiplyOne(x, by: matrix, in: room, addingTo: stream) }
    guard isByTiles(matrix, tokens: tokens) else { return false }
    convert { makeTiles(x, tokens: tokens, columns: matrix.columns) }
    multiplyTiles(UnsafeRawPointer(packed), tokens: tokens, by: matrix, into: stream, adds: true)
    return true
  }

  /// silu(gate · x) ⊙ (up · x) in one product, in tiles for the product by `down`; nil, and nothing done, where one of
  /// the three is not by tiles.
  ///
  /// The sums of gate and up meet in the nearest cache, and only what the next product reads is written.
  /// - Shapes: x (tokens, columns), room (tokens, rows of gate and up).
  func multiplyGated(
    _ x: UnsafePointer<Float>, tokens: Int, gate: PreparedMatrix, up: PreparedMatrix, down: PreparedMatrix,
    in room: UnsafeMutablePointer<Float>
  ) -> UnsafeRawPointer? {
    guard gate.type == up.type, gate.rows == up.rows else { return nil }
    guard [gate, up, down].allSatisfy({ isByTiles($0, tokens: tokens) }) else { return nil }
    convert { makeTiles(x, tokens: tokens, columns: up.columns) }
    // Half as many bytes as floats take, but sixteen tokens at a time: at least seventeen tokens have that room.
    let tiles = UnsafeMutableRawPointer(room).assumingMemoryBound(to: UInt16.self)
    multiply(ProductPart.parts([up], [room]), tokens: tokens, gate: Gate(matrix: gate, tiles: tiles))
    return UnsafeRawPointer(tiles)
  }

  /// y = W · x or y += W · x of tokens in tiles, as `multiplyGated` leaves them.
  func multiplyTiles(
    _ tiles: UnsafeRawPointer, tokens: Int, by matrix: PreparedMatrix, into y: UnsafeMutablePointer<Float>, adds: Bool
  ) {
    let parts = ProductPart.parts([matrix], [y]).map { part in
      var part = part
      part.adds = adds
      return part
    }
    multiply(parts, tokens: tokens, input: tiles)
  }

  /// Groups of sixteen tokens in pieces of columns, so that a few tokens of long rows keep all threads busy too.
  func makeTiles(_ x: UnsafePointer<Float>, tokens: Int, columns: Int) {
    let (group, piece) = (16, 1024)
    let pieces = (columns + piece - 1) / piece
    pool.forEachChunk(of: (tokens + group - 1) / group * pieces, grain: 1) { _, items in
      packed.withMemoryRebound(to: UInt16.self, capacity: 1) { tiles in
        for item in items {
          let (own, start) = (item / pieces, item % pieces * piece)
          kernels.row.pointee.make_tiles(
            x + own * group * columns + start, Int64(columns), Int64(tokens - own * group),
            Int64(min(piece, columns - start)), tiles + (own * columns + start) * group)
        }
      }
    }
  }
}
