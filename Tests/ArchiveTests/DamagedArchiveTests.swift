// SPDX-License-Identifier: Apache-2.0
import Archive
import Evidence
import Foundation
import Quantities
import TestSupport
import Testing

/// Files that somebody else may still rescue: refused, and left as they are.
@Suite struct DamagedArchiveTests {
  private static func withFolder(_ body: (String) throws -> Void) throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("anprobe-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    try body(folder.path + "/anprobe.sqlite")
  }

  private static func fill(_ path: String, count: Int) throws {
    let archive = try Archive(path: path)
    for number in 0..<count {
      try archive.save(
        Measurement(
          date: "2026-01-02T03:04:05Z", toolVersion: "test", machine: "machine", model: "model \(number)",
          variant: "q8_0", inventoryDigest: String(repeating: "0", count: 500), isSynthetic: true, threads: 2,
          kernels: "portable", mode: .full, contextTokens: 512, keyValueFormat: "f16", allocated: .zero))
    }
  }

  private static func bytes(_ path: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: path)) }

  @Test func `what is no database is refused and kept`() throws {
    var random = SeededRandom(seed: 1)
    for content in [
      Data("not a database, but longer than a header of a hundred bytes would be, by far".utf8),
      Data((0..<5000).map { _ in UInt8.random(in: 0...255, using: &random) }),
    ] {
      try Self.withFolder { path in
        try FileManager.default.createDirectory(
          atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        try content.write(to: URL(fileURLWithPath: path))
        #expect(throws: ArchiveError.notADatabase(path: path)) { try Archive(path: path) }
        #expect(try Self.bytes(path) == content)
      }
    }
  }

  @Test(arguments: 1...12)
  func `a torn or overwritten database is never written to`(seed: Int) throws {
    try Self.withFolder { path in
      try Self.fill(path, count: 60)
      var damaged = try Self.bytes(path)
      var random = SeededRandom(seed: UInt64(seed))
      switch seed % 3 {
      case 0: damaged = damaged.prefix(Int.random(in: 4096..<damaged.count, using: &random))
      case 1:
        for index in 4096..<damaged.count { damaged[index] = UInt8.random(in: 0...255, using: &random) }
      default:
        for _ in 0..<2000 {
          damaged[Int.random(in: 100..<damaged.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
        }
      }
      try damaged.write(to: URL(fileURLWithPath: path))
      #expect(throws: ArchiveError.notADatabase(path: path), "seed \(seed)") {
        let archive = try Archive(path: path)
        _ = try archive.measurements()
      }
      #expect(try Self.bytes(path) == damaged, "seed \(seed)")
    }
  }

  @Test func `a folder that cannot be made is told as such`() {
    let path = "/proc/no-such-folder/anprobe.sqlite"
    #expect(throws: ArchiveError.readOnly(path: path)) { try Archive(path: path) }
  }

  @Test func `an empty file becomes an archive`() throws {
    try Self.withFolder { path in
      try FileManager.default.createDirectory(
        atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
      #expect(FileManager.default.createFile(atPath: path, contents: nil))
      try Self.fill(path, count: 1)
      #expect(try Archive(path: path).measurements().count == 1)
    }
  }
}
