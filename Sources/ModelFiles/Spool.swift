// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Room for tensors in a file without a name: the system may write it out when memory is short, and it goes away with
/// the process, however that ends.
package final class Spool: @unchecked Sendable {
  private let descriptor: Int32
  private let path: String
  private var length = 0
  private var regions: [UnsafeMutableRawBufferPointer] = []

  /// - Parameter path: the file lies on this path's disk.
  /// - Throws: `ModelFileError.unwritable`.
  package init(beside path: String) throws(ModelFileError) {
    self.path = path
    let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
    let template = (folder == "." ? "" : folder) + ".anprobe-spool-XXXXXX"
    var name = Array(template.utf8CString)
    descriptor = mkstemp(&name)
    guard descriptor >= 0 else { throw .unwritable(path: path, operation: "create", errno: errno) }
    unlink(name)
  }

  deinit {
    for region in regions { munmap(region.baseAddress, region.count) }
    if descriptor >= 0 { close(descriptor) }
  }

  /// Zeroed room that lives as long as this object.
  ///
  /// - Throws: `ModelFileError.unwritable` when the disk cannot hold it.
  package func allocate(byteCount: Int) throws(ModelFileError) -> UnsafeMutableRawBufferPointer {
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    let size = (max(1, byteCount) + page - 1) / page * page
    // Writing to a mapping of a full disk would end the process: the blocks are claimed first.
    let failure = posix_fallocate(descriptor, off_t(length), off_t(size))
    guard failure == 0 else { throw .unwritable(path: path, operation: "write", errno: failure) }
    let address = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, off_t(length))
    guard let address, address != MAP_FAILED else {
      throw .unwritable(path: path, operation: "write", errno: errno)
    }
    length += size
    regions.append(UnsafeMutableRawBufferPointer(start: address, count: size))
    return UnsafeMutableRawBufferPointer(start: address, count: byteCount)
  }

  /// Zeroed room for floats.
  package func allocate(floats count: Int) throws(ModelFileError) -> UnsafeMutableBufferPointer<Float> {
    try allocate(byteCount: count * MemoryLayout<Float>.size).bindMemory(to: Float.self)
  }
}
