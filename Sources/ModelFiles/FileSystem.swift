// SPDX-License-Identifier: Apache-2.0
internal import JSONText

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Questions to the file system and small whole files.
enum FileSystem {
  /// The largest published configurations have a few hundred kilobytes.
  static let configurationLimit = 4 << 20
  /// The list of shards of a model with 90,000 tensors has 9 MB.
  static let shardListLimit = 16 << 20

  static func isFile(_ path: String) -> Bool { kind(path) == S_IFREG }
  static func isFolder(_ path: String) -> Bool { kind(path) == S_IFDIR }

  private static func kind(_ path: String) -> mode_t? {
    var status = stat()
    return stat(path, &status) == 0 ? status.st_mode & S_IFMT : nil
  }

  /// Reads a small text; damaged UTF-8 is repaired.
  static func text(_ path: String) throws(ModelFileError) -> String {
    let file = try MappedFile(path: path)
    guard file.count <= configurationLimit else {
      throw .malformed(
        path: path, at: .offset(0),
        .tooLong(what: "the text", bytes: UInt64(file.count), limit: configurationLimit))
    }
    return withExtendedLifetime(file) { String(decoding: file.bytes, as: UTF8.self) }
  }

  /// Reads a JSON file.
  ///
  /// - Throws: `.unreadable`, or `.malformed` with the byte offset.
  static func json(_ path: String, limit: Int) throws(ModelFileError) -> JSON {
    let file = try MappedFile(path: path)
    guard file.count <= limit else {
      throw .malformed(
        path: path, at: .offset(0), .tooLong(what: "the text", bytes: UInt64(file.count), limit: limit))
    }
    do throws(JSONError) {
      return try JSON(parsing: withExtendedLifetime(file) { Array(file.bytes) })
    } catch {
      throw .malformed(path: path, at: .offset(error.offset), .invalidJSON(JSONFault(error)))
    }
  }
}
