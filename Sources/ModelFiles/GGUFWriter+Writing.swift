// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

extension GGUFWriter {
  /// Gives the next bytes of a tensor.
  package typealias Sink = (UnsafeRawBufferPointer) throws(ModelFileError) -> Void

  /// Writes the file, asking for each tensor's bytes in turn, in as many pieces as suit the caller: a file of many
  /// gigabytes needs no memory. The file appears under its name only when it is complete.
  ///
  /// - Parameter content: sends all bytes of the tensor at an index of `tensors` to the sink.
  /// - Throws: `ModelFileError.unwritable`; `.malformed` when a tensor gets more or fewer bytes than its shape needs; what
  ///   `content` throws. Nothing is left behind then.
  package func write(
    to path: String, content: (_ tensor: Int, _ sink: Sink) throws -> Void
  ) throws {
    let partial = path + ".partial"
    let output = try OutputFile(path: partial)
    do {
      try output.write(headerBytes())
      for index in tensors.indices { try write(tensor: index, to: output, path: path, content: content) }
      try output.close()
    } catch {
      unlink(partial)
      throw error
    }
    guard rename(partial, path) == 0 else {
      let code = errno
      unlink(partial)
      throw ModelFileError.unwritable(path: path, operation: "create", errno: code)
    }
  }

  private func write(
    tensor index: Int, to output: OutputFile, path: String,
    content: (_ tensor: Int, _ sink: Sink) throws -> Void
  ) throws {
    let expected = tensors[index].byteCount
    var written = 0
    try content(index) { (bytes) throws(ModelFileError) in
      written += bytes.count
      guard written <= expected else { throw wrongCount(index, written, path: path) }
      try output.write(bytes)
    }
    guard written == expected else { throw wrongCount(index, written, path: path) }
    try output.write([UInt8](repeating: 0, count: aligned(expected) - expected))
  }

  private func wrongCount(_ index: Int, _ found: Int, path: String) -> ModelFileError {
    .malformed(
      path: path, at: .tensor(tensors[index].name, offset: nil),
      .wrongByteCount(found: UInt64(found), expected: UInt64(tensors[index].byteCount)))
  }

  /// The whole file in memory, for small ones.
  package func bytes(content: (_ tensor: Int) -> [UInt8]) -> [UInt8] {
    var out = headerBytes()
    for index in tensors.indices {
      let bytes = content(index)
      precondition(bytes.count == tensors[index].byteCount, "\(tensors[index].name): \(bytes.count) bytes")
      out.append(contentsOf: bytes)
      out.append(contentsOf: repeatElement(0, count: aligned(bytes.count) - bytes.count))
    }
    return out
  }
}

/// A file being written, closed at the latest when it goes away.
private final class OutputFile {
  private let path: String
  private var descriptor: Int32

  init(path: String) throws(ModelFileError) {
    self.path = path
    descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw .unwritable(path: path, operation: "create", errno: errno) }
  }

  deinit { if descriptor >= 0 { _ = shut() } }

  func write(_ bytes: UnsafeRawBufferPointer) throws(ModelFileError) {
    let failure = failureOfWriting(bytes)
    guard failure == 0 else { throw .unwritable(path: path, operation: "write", errno: failure) }
  }

  func write(_ bytes: [UInt8]) throws(ModelFileError) {
    let failure = bytes.withUnsafeBytes { failureOfWriting($0) }
    guard failure == 0 else { throw .unwritable(path: path, operation: "write", errno: failure) }
  }

  /// Writes all bytes; gives the error number, or 0.
  private func failureOfWriting(_ bytes: UnsafeRawBufferPointer) -> Int32 {
    var rest = bytes
    while !rest.isEmpty {
      let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return errno }
      rest = UnsafeRawBufferPointer(rebasing: rest[count...])
    }
    return 0
  }

  /// Closes the file when all of it is on the disk: a name that appears before its contents would survive a power cut.
  func close() throws(ModelFileError) {
    guard fsync(descriptor) == 0 else { throw .unwritable(path: path, operation: "write", errno: errno) }
    guard shut() == 0 else { throw .unwritable(path: path, operation: "close", errno: errno) }
  }

  private func shut() -> Int32 {
    let result = Glibc.close(descriptor)
    descriptor = -1
    return result
  }
}
