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
