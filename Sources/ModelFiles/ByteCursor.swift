// SPDX-License-Identifier: Apache-2.0

/// Why reading a header stopped before its end.
enum HeaderStop: Error {
  /// The buffer is a part of the file and must hold at least this many bytes from its start.
  case needsMore(atLeast: Int)
  case fault(ModelFileError.Location, FormatFault)
}

/// Reads little-endian numbers from the beginning of a file of which only a part may be at hand.
///
/// - Invariant: `offset <= bytes.count`, and `bytes.count <= fileBytes` where the size of the file is known.
struct ByteCursor {
  let bytes: UnsafeRawBufferPointer
  /// Bytes of the whole file, or nil while nobody knows.
  let fileBytes: Int?
  private(set) var offset = 0

  init(bytes: UnsafeRawBufferPointer, fileBytes: Int?) {
    self.bytes = bytes
    self.fileBytes = fileBytes.map { max($0, bytes.count) }
  }

  /// How many bytes may still follow: the honest bound for every count that the file states.
  var remaining: Int { (fileBytes ?? Int.max) - offset }

  /// Checks that `count` bytes follow here.
  func require(_ count: UInt64, _ what: @autoclosure () -> String) throws(HeaderStop) {
    guard count > UInt64(bytes.count - offset) else { return }
    guard let count = Int(exactly: count), count <= remaining else {
      throw .fault(
        .offset(offset),
        .truncated(
          what: what(), neededBytes: count, remainingBytes: fileBytes.map { $0 - offset } ?? bytes.count - offset))
    }
    throw .needsMore(atLeast: offset + count)
  }

  mutating func number<Number: FixedWidthInteger>(
    _ type: Number.Type, _ what: @autoclosure () -> String
  ) throws(HeaderStop) -> Number {
    try require(UInt64(MemoryLayout<Number>.size), what())
    let value = bytes.loadUnaligned(fromByteOffset: offset, as: Number.self)
    offset += MemoryLayout<Number>.size
    return Number(littleEndian: value)
  }

  /// The bytes of a string behind its 64-bit length.
  mutating func stringBytes(_ what: @autoclosure () -> String) throws(HeaderStop) -> UnsafeRawBufferPointer {
    let length = try number(UInt64.self, what())
    try require(length, what())
    let slice = UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + Int(length)])
    offset += slice.count
    return slice
  }

  mutating func skip(_ count: Int) { offset += count }
}
