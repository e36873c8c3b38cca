// SPDX-License-Identifier: Apache-2.0
internal import Inference
internal import LanguageModel

/// Encodes the rows of one tensor, a part at a time, on all threads of a pool.
final class TensorEncoder {
  /// How far the stored values are from the given ones.
  struct Error {
    var squares = 0.0
    var signal = 0.0
  }

  private let source: BlockCodec
  private let target: BlockCodec
  private let columns: Int
  private let pool: ThreadPool
  private let rowsAtOnce: Int
  private let blocks: UnsafeMutableRawPointer
  private let weights: [Float]?
  private(set) var error = Error()
  /// The first element that is no finite number.
  private(set) var strange: Int?

  /// Elements that are encoded at a time: bounds the memory whatever the tensor's size.
  private static let elementsAtOnce = 4 << 20

  /// - Parameter weights: per column; nil leaves the choice to the format.
  init(source: BlockCodec, target: BlockCodec, columns: Int, weights: [Float]?, pool: ThreadPool) {
    self.source = source
    self.target = target
    self.columns = columns
    self.weights = weights
    self.pool = pool
    rowsAtOnce = max(1, Self.elementsAtOnce / max(1, columns))
    blocks = .allocate(byteCount: target.byteCount(of: rowsAtOnce * columns), alignment: 64)
  }

  deinit { blocks.deallocate() }

  /// Encodes all rows; `sink` gets the blocks in order.
  func encode(
    _ stored: UnsafeRawBufferPointer, rows: Int, sink: (UnsafeRawBufferPointer) throws -> Void
  ) throws {
    guard let base = stored.baseAddress else { return }
    let rowBytes = source.byteCount(of: columns)
    for start in stride(from: 0, to: rows, by: rowsAtOnce) {
      let count = min(rowsAtOnce, rows - start)
      encode(base + start * rowBytes, rows: count, firstElement: start * columns)
      guard strange == nil else { return }
      try sink(UnsafeRawBufferPointer(start: blocks, count: target.byteCount(of: count * columns)))
    }
  }

  private func encode(_ stored: UnsafeRawPointer, rows: Int, firstElement: Int) {
    var errors = [Error](repeating: Error(), count: pool.count)
    var strangers = [Int?](repeating: nil, count: pool.count)
    let grain = max(1, rows / (pool.count * 8))
    errors.withUnsafeMutableBufferPointer { errors in
      strangers.withUnsafeMutableBufferPointer { strangers in
        nonisolated(unsafe) let (errors, strangers) = (errors, strangers)
        pool.forEachChunk(of: rows, grain: grain) { thread, range in
          let room = UnsafeMutableBufferPointer<Float>.allocate(capacity: 2 * columns)
          defer { room.deallocate() }
          for row in range {
            if let place = encode(row: row, stored, room, &errors[thread]) {
              strangers[thread] = min(strangers[thread] ?? .max, row * columns + place)
            }
          }
        }
      }
    }
    for part in errors {
      error.squares += part.squares
      error.signal += part.signal
    }
    strange = strangers.compactMap { $0 }.min().map { $0 + firstElement }
  }

  /// Encodes one row; gives the place of an element that is no finite number.
  private func encode(
    row: Int, _ stored: UnsafeRawPointer, _ room: UnsafeMutableBufferPointer<Float>, _ error: inout Error
  ) -> Int? {
    let values = UnsafeMutableBufferPointer(rebasing: room[..<columns])
    let again = UnsafeMutableBufferPointer(rebasing: room[columns...])
    source.decode(stored + row * source.byteCount(of: columns), into: values)
    if let place = values.firstIndex(where: { !$0.isFinite }) { return place }
    let place = blocks + row * target.byteCount(of: columns)
    if let weights {
      weights.withUnsafeBufferPointer { target.encode(.init(values), weights: $0.baseAddress, into: place) }
    } else {
      target.encode(.init(values), weights: nil, into: place)
    }
    target.decode(place, into: again)
    for index in 0..<columns {
      let miss = Double(values[index] - again[index])
      error.squares += miss * miss
      error.signal += Double(values[index]) * Double(values[index])
    }
    return nil
  }
}
