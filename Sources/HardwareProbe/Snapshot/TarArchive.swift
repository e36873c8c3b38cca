// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// A plain tar archive with a recorded machine.
///
/// An archive from a stranger is not trusted: names cannot leave the folder that it is unpacked into, links are made last
/// and only where they lead inside, and devices, pipes and hard links are left out.
enum TarArchive {
  struct Entry: Equatable {
    var path: [Substring]
    var content: ArraySlice<UInt8>
    /// Where a link leads; nil for a file.
    var target: String?
  }

  /// Larger archives are no recordings: hwloc's of a machine with 1024 PUs has some 60 MB.
  static let sizeLimit = 512 << 20

  /// Unpacks into a new folder; the caller removes it.
  static func unpack(_ path: String) throws(HardwareProbeError) -> String {
    let bytes = try contents(path)
    let compressed: [[UInt8]] = [[0x1F, 0x8B], Array("BZh".utf8), [0xFD, 0x37, 0x7A], [0x28, 0xB5, 0x2F, 0xFD]]
    if compressed.contains(where: { bytes.starts(with: $0) }) { throw .archiveCompressed(path: path) }
    let entries = try entries(bytes, of: path)
    let folder = try makeTemporaryFolder()
    for entry in entries where entry.target == nil { write(entry, below: folder) }
    for entry in entries { if let target = entry.target { link(entry, to: target, below: folder) } }
    return folder
  }

  static func entries(_ bytes: [UInt8], of path: String) throws(HardwareProbeError) -> [Entry] {
    var entries: [Entry] = []
    var offset = 0
    var longName: String?
    let block = TarHeader.blockSize
    while offset + block <= bytes.count {
      let header: TarHeader?
      do { header = try TarHeader(bytes[offset..<offset + block]) } catch {
        throw .archiveDamaged(path: path, offset: offset, reason: error.reason)
      }
      guard let header else { return entries }
      let start = offset + block
      guard header.size <= bytes.count - start else {
        throw .archiveDamaged(path: path, offset: offset, reason: "an entry ends after the end of the file")
      }
      let content = bytes[start..<start + header.size]
      offset = start + header.size + TarHeader.padding(header.size)
      let name = longName ?? header.name
      longName = nil
      let parts = name.split(separator: "/").filter { $0 != "." }
      let isSafe = !parts.isEmpty && !parts.contains("..")
      switch header.kind {
      case .longName: longName = String(decoding: content.prefix { $0 != 0 }, as: UTF8.self)
      case .record: longName = recordedPath(content)
      case .file where isSafe: entries.append(Entry(path: parts, content: content))
      case .link where isSafe: entries.append(Entry(path: parts, content: [], target: header.linkTarget))
      default: break
      }
    }
    // An archive cut off at a block border has no end mark; what came before is whole.
    guard !entries.isEmpty else { throw .archiveDamaged(path: path, offset: 0, reason: "there is no entry in it") }
    return entries
  }

  /// A pax record is `LENGTH path=NAME` and a line feed.
  private static func recordedPath(_ content: ArraySlice<UInt8>) -> String? {
    let lines = String(decoding: content, as: UTF8.self).split(separator: "\n")
    return lines.compactMap { line in
      line.firstIndex(of: " ").map { line[$0...].dropFirst() }.flatMap {
        $0.hasPrefix("path=") ? String($0.dropFirst(5)) : nil
      }
    }.last
  }

  private static func contents(_ path: String) throws(HardwareProbeError) -> [UInt8] {
    do {
      return try FileTree.read(path, limit: sizeLimit)
    } catch {
      throw .archiveDamaged(path: path, offset: 0, reason: error.description)
    }
  }

  private static func makeTemporaryFolder() throws(HardwareProbeError) -> String {
    let base = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var template = Array("\(base)/anprobe-machine-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw .noTemporaryFolder(path: base, errno: errno) }
    return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  private static func write(_ entry: Entry, below folder: String) {
    let path = makeFolders(entry.path, below: folder)
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { return }
    defer { close(descriptor) }
    _ = writeAll(Array(entry.content), to: descriptor)
  }

  private static func link(_ entry: Entry, to target: String, below folder: String) {
    guard !target.hasPrefix("/") else { return }
    var depth = entry.path.count - 1
    for part in target.split(separator: "/") where part != "." {
      depth += part == ".." ? -1 : 1
      guard depth >= 0 else { return }
    }
    symlink(target, makeFolders(entry.path, below: folder))
  }

  /// The path of an entry, with all folders above it made.
  private static func makeFolders(_ parts: [Substring], below folder: String) -> String {
    var path = folder
    for part in parts.dropLast() {
      path += "/\(part)"
      mkdir(path, 0o700)
    }
    return path + "/\(parts.last ?? "")"
  }
}

/// Writes all bytes; 0, or errno.
func writeAll(_ bytes: [UInt8], to descriptor: Int32) -> Int32 {
  var rest = bytes[...]
  while !rest.isEmpty {
    let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
    if count < 0, errno == EINTR { continue }
    guard count > 0 else { return errno }
    rest = rest.dropFirst(count)
  }
  return 0
}

/// Removes a folder that was made here, without following links.
func removeTemporary(_ folder: String?) {
  guard let folder else { return }
  for name in FileTree.host.names(in: folder) {
    let path = "\(folder)/\(name)"
    var facts = stat()
    if lstat(path, &facts) == 0, facts.st_mode & S_IFMT == S_IFDIR { removeTemporary(path) } else { unlink(path) }
  }
  rmdir(folder)
}
