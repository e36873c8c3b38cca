// SPDX-License-Identifier: Apache-2.0
import Glibc

/// The folders that hold profile files: those that come with the program, then those of the user.
///
/// Each has one folder per kind of profile (`models`, `machines`, `power`, `quality`) with JSON files in it.
package struct ProfileLibrary: Sendable {
  /// Later folders win where names collide.
  package var folders: [String]

  package init(folders: [String]) { self.folders = folders }

  /// The program's own profiles and the folders given, which may be missing.
  package static func standard(extraFolders: [String] = []) -> ProfileLibrary {
    ProfileLibrary(folders: [builtInFolder].compactMap { $0 } + extraFolders)
  }

  /// The profiles that were built or installed with the program.
  ///
  /// SwiftPM puts resources beside the executable; an installation may put them under `share`; a build without
  /// either (an editor's test runner) finds the sources. `Bundle.module` would end the process when it finds none.
  package static let builtInFolder: String? = {
    let bundle = "anprobe_Profiles.resources/profiles"
    let beside = executableFolder.map { ["\($0)/\(bundle)", "\($0)/../share/anprobe/profiles"] } ?? []
    return (beside + [sourceFolder]).first { isFolder($0) }
  }()

  private static var executableFolder: String? {
    var buffer = [CChar](repeating: 0, count: 4096)
    let length = readlink("/proc/self/exe", &buffer, buffer.count)
    guard length > 0, length < buffer.count else { return nil }
    let path = String(decoding: buffer[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return path.lastIndex(of: "/").map { String(path[..<$0]) }
  }

  private static var sourceFolder: String {
    let parts = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3)
    return parts.joined(separator: "/") + "/profiles"
  }

  private static func isFolder(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  /// The JSON files of one kind, in the order of folders and names; folders that do not exist are passed over.
  package func files(of kind: String) -> [String] {
    folders.flatMap { Self.jsonFiles(in: "\($0)/\(kind)") }
  }

  private static func jsonFiles(in folder: String) -> [String] {
    guard let directory = opendir(folder) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let item = readdir(directory) {
      let name = withUnsafePointer(to: &item.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name.hasSuffix(".json"), !name.hasPrefix(".") { names.append(name) }
    }
    return names.sorted().map { "\(folder)/\($0)" }
  }

  /// The bytes of a profile file.
  ///
  /// - Throws: ``ProfileError/unreadable(path:reason:)``; files beyond 64 MiB are refused, no profile is near that.
  package static func read(_ path: String) throws(ProfileError) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .unreadable(path: path, reason: String(cString: strerror(errno))) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      throw .unreadable(path: path, reason: String(cString: strerror(errno)))
    }
    guard status.st_size <= 64 << 20 else { throw .unreadable(path: path, reason: "it is larger than 64 MiB") }
    return try contents(of: descriptor, path: path, expected: Int(status.st_size))
  }

  private static func contents(of descriptor: Int32, path: String, expected: Int) throws(ProfileError) -> [UInt8] {
    var problem: Int32 = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: expected) { buffer, filled in
      while filled < expected {
        let count = Glibc.read(descriptor, buffer.baseAddress?.advanced(by: filled), expected - filled)
        if count < 0, errno == EINTR { continue }
        if count < 0 { problem = errno }
        guard count > 0 else { return }
        filled += count
      }
    }
    guard problem == 0 else { throw .unreadable(path: path, reason: String(cString: strerror(problem))) }
    return bytes
  }
}
