// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A file being written, closed at the latest when it goes away.
final class OutputFile {
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
