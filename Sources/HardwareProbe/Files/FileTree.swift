// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import Synchronization

/// Why a file of a machine could not be read; "not there" and "may not" are different answers.
package enum ReadFailure: Error, Equatable, Sendable, CustomStringConvertible {
  case notFound
  case permissionDenied
  case tooLarge(limit: Int)
  case failed(errno: Int32)

  init(errno code: Int32) {
    switch code {
    case ENOENT, ENOTDIR, ELOOP, ENXIO: self = .notFound
    case EACCES, EPERM: self = .permissionDenied
    default: self = .failed(errno: code)
    }
  }

  package var description: String {
    switch self {
    case .notFound: "there is no such file"
    case .permissionDenied: "this user may not read it"
    case .tooLarge(let limit): "it is larger than \(limit) bytes"
    case .failed(let code): "reading it fails (errno \(code))"
    }
  }
}

/// The files of a machine under a root: this machine's, a recorded machine's, or a test's.
///
/// Everything that the probe reads goes through here, so that a recording answers like the machine itself.
package struct FileTree: Sendable {
  private indirect enum Storage: Sendable {
    case folder(String)
    case memory([String: Result<[UInt8], ReadFailure>])
    case recording(FileTree, FileRecorder)
  }

  private let storage: Storage
  private init(_ storage: Storage) { self.storage = storage }

  /// Whether the files are this machine's own.
  var isHost: Bool {
    switch storage {
    case .folder(let root): root.isEmpty
    case .recording(let base, _): base.isHost
    case .memory: false
    }
  }

  /// This machine.
  package static let host = FileTree(.folder(""))
  /// A folder that holds a recorded machine's `/proc` and `/sys`.
  package init(folder: String) { self.init(.folder(folder)) }
  /// Files by absolute path; a failure stands for a file that cannot be read.
  package init(files: [String: Result<[UInt8], ReadFailure>]) { self.init(.memory(files)) }
  /// Another tree, of which every file that is read is remembered.
  init(recording base: FileTree, into recorder: FileRecorder) { self.init(.recording(base, recorder)) }

  /// Larger files are refused: `/proc/cpuinfo` of 1024 PUs has 1.5 MB.
  static let sizeLimit = 4 << 20

  package func bytes(_ path: String) throws(ReadFailure) -> [UInt8] {
    switch storage {
    case .folder(let root): return try Self.read(root + path, limit: Self.sizeLimit)
    case .memory(let files): return try (files[path] ?? .failure(.notFound)).get()
    case .recording(let base, let recorder):
      let bytes = try base.bytes(path)
      recorder.files.withLock { $0[path] = bytes }
      return bytes
    }
  }

  /// Eight bytes of a device's file at an offset, in this machine's order (`/dev/cpu/0/msr`).
  func word(_ path: String, at offset: UInt64) throws(ReadFailure) -> UInt64 {
    switch storage {
    case .folder(let root): return try Self.word(root + path, at: offset)
    case .recording(let base, _): return try base.word(path, at: offset)
    case .memory(let files):
      let bytes = try (files[path] ?? .failure(.notFound)).get()
      guard let start = Int(exactly: offset), start <= bytes.count - 8 else { throw ReadFailure(errno: EIO) }
      return bytes[start..<start + 8].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
  }

  private static func word(_ path: String, at offset: UInt64) throws(ReadFailure) -> UInt64 {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw ReadFailure(errno: errno) }
    defer { close(descriptor) }
    var value: UInt64 = 0
    let count = pread(descriptor, &value, 8, off_t(clamping: offset))
    guard count == 8 else { throw ReadFailure(errno: count < 0 ? errno : EIO) }
    return value
  }

  /// The names in a folder, sorted; empty when it cannot be listed.
  package func names(in folder: String) -> [String] {
    switch storage {
    case .folder(let root): return Self.list(root + folder)
    case .recording(let base, _): return base.names(in: folder)
    case .memory(let files):
      let prefix = folder + "/"
      let names = files.keys.lazy.filter { $0.hasPrefix(prefix) }
        .compactMap { $0.dropFirst(prefix.count).split(separator: "/").first }
      return Set(names.map { String($0) }).sorted()
    }
  }

  package func exists(_ path: String) -> Bool {
    switch storage {
    case .folder(let root): return access(root + path, F_OK) == 0
    case .recording(let base, let recorder):
      guard base.exists(path) else { return false }
      recorder.present.withLock { _ = $0.insert(path) }
      return true
    case .memory(let files): return files[path] != nil || files.keys.contains { $0.hasPrefix(path + "/") }
    }
  }

  static func read(_ path: String, limit: Int) throws(ReadFailure) -> [UInt8] {
    // Without O_NONBLOCK a pipe in a hostile recording would hold us for ever.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw ReadFailure(errno: errno) }
    defer { close(descriptor) }
    var content: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 16384)
    while content.count <= limit {
      let count = Glibc.read(descriptor, &chunk, chunk.count)
      guard count >= 0 else { throw ReadFailure(errno: errno) }
      guard count > 0 else { return content }
      content.append(contentsOf: chunk[0..<count])
    }
    throw .tooLarge(limit: limit)
  }

  private static func list(_ path: String) -> [String] {
    guard let folder = opendir(path) else { return [] }
    defer { closedir(folder) }
    var names: [String] = []
    while let entry = readdir(folder), names.count < 65536 {
      let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted()
  }
}

/// What was read through a recording tree.
final class FileRecorder: Sendable {
  let files = Mutex<[String: [UInt8]]>([:])
  /// What was asked for and is there, file or folder.
  let present = Mutex<Set<String>>([])
}
