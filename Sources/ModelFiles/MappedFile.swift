// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A file mapped read-only into memory for as long as this object lives.
///
/// Pages are read from disk when touched and can be dropped again by the system; nothing is copied. Whoever shortens
/// the file meanwhile ends the process (SIGBUS): no program can prevent that for a mapping.
package final class MappedFile: Sendable {
  package let path: String
  private nonisolated(unsafe) let base: UnsafeMutableRawPointer?
  package let count: Int

  /// Maps an ordinary file. An empty one gives no bytes.
  ///
  /// - Throws: `ModelFileError.unreadable` when it cannot be opened or is no ordinary file.
  package init(path: String) throws(ModelFileError) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw .unreadable(path: path, operation: "open", errno: errno) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw .unreadable(path: path, operation: "examine", errno: errno) }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw .notAModel(path: path, reason: "it is not an ordinary file")
    }
    self.path = path
    count = Int(status.st_size)
    guard count > 0 else {
      base = nil
      return
    }
    let address = mmap(nil, count, PROT_READ, MAP_PRIVATE, descriptor, 0)
    guard let address, address != MAP_FAILED else { throw .unreadable(path: path, operation: "map", errno: errno) }
    base = address
  }

  deinit {
    if let base { munmap(base, count) }
  }

  /// The bytes of the file, valid while this object lives.
  package var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: UnsafeRawPointer(base), count: count) }

  /// Asks the system to read a range ahead of its use (MADV_WILLNEED); a refusal does no harm.
  package func prefetch(_ range: Range<Int>) {
    guard let base, !range.isEmpty, range.upperBound <= count else { return }
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    let start = range.lowerBound / page * page
    _ = madvise(base + start, range.upperBound - start, MADV_WILLNEED)
  }

  /// Maps of a range little more than the pages that are touched (MADV_NOHUGEPAGE). What the system's cache holds in one
  /// piece of two MiB, as a file does that was read through, it would map as such: rows here and there would bring all of it.
  package func mapSparsely(_ range: Range<Int>) {
    guard let base, !range.isEmpty, range.upperBound <= count else { return }
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    let start = range.lowerBound / page * page
    #if os(Linux)
      _ = madvise(base + start, range.upperBound - start, 15)  // not in the Glibc module
    #endif
  }

  /// Takes the whole pages of a range out of this process (MADV_DONTNEED); they are read again when touched.
  package func discard(_ range: Range<Int>) {
    guard let base, !range.isEmpty, range.upperBound <= count else { return }
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    let start = (range.lowerBound + page - 1) / page * page
    let end = range.upperBound == count ? count : range.upperBound / page * page
    if start < end { _ = madvise(base + start, end - start, MADV_DONTNEED) }
  }
}
