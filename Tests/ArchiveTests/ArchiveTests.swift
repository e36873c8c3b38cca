// SPDX-License-Identifier: Apache-2.0
import Archive
import Evidence
import Foundation
import Hardware
import Quantities
import Testing

@Suite struct ArchiveTests {
  @Test func `what was saved is read back equal, also by the next process`() throws {
    try Fixture.withPath { path in
      let measurement = Fixture.measurement(1)
      let number = try Archive(path: path).save(measurement)
      let kept = try Archive(path: path).measurements()
      #expect(kept.map(\.number) == [number])
      #expect(kept.map(\.measurement) == [measurement])
    }
  }

  @Test func `the newest measurements come first, as many as asked for, of one model or all`() throws {
    try Fixture.withPath { path in
      let archive = try Archive(path: path)
      let numbers = try (0..<10).map { index in
        try archive.save(Fixture.measurement(index, model: index % 3 == 0 ? "third" : "other"))
      }
      #expect(try archive.measurements().map(\.number) == numbers.reversed())
      #expect(try archive.measurements(limit: 2).map(\.number) == [numbers[9], numbers[8]])
      #expect(try archive.measurements(model: "third").map(\.number) == [9, 6, 3, 0].map { numbers[$0] })
      #expect(try archive.measurements(model: "thir").isEmpty)
    }
  }

  @Test func `a deleted measurement is gone, its number is never used again, and the others stay`() throws {
    try Fixture.withPath { path in
      let archive = try Archive(path: path)
      let numbers = try (0..<3).map { try archive.save(Fixture.measurement($0)) }
      #expect(try archive.deleteMeasurement(numbers[2]))
      #expect(try !archive.deleteMeasurement(numbers[2]))
      #expect(try archive.measurements().map(\.number) == [numbers[1], numbers[0]])
      #expect(try archive.save(Fixture.measurement()) > numbers[2])
    }
  }

  @Test func `the calibration of a machine is its newest, and no other machine's`() throws {
    try Fixture.withPath { path in
      let archive = try Archive(path: path)
      #expect(try archive.calibration(machine: "here") == nil)
      // Newest is what was saved last, whatever a wrong clock said.
      for date in ["2026-03-01T00:00:00Z", "2025-01-01T00:00:00Z"] {
        try archive.save(Fixture.calibration(date), machine: "here")
      }
      try archive.save(Fixture.calibration("2026-05-05T00:00:00Z"), machine: "elsewhere")
      let newest = try Archive(path: path).calibration(machine: "here")
      #expect(newest == Fixture.calibration("2025-01-01T00:00:00Z"))
    }
  }

  @Test func `quotes and wildcards in a model's name are only letters`() throws {
    try Fixture.withPath { path in
      let archive = try Archive(path: path)
      let names = ["x'; DROP TABLE measurement; --", "%", "_", "a\"b", "字"]
      for name in names { try archive.save(Fixture.measurement(model: name)) }
      for name in names {
        #expect(try archive.measurements(model: name).map(\.measurement.model) == [name])
      }
      #expect(try archive.measurements().count == names.count)
    }
  }

  @Test func `two open archives on several threads lose nothing`() async throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("anprobe-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.path + "/anprobe.sqlite"
    let archives = [try Archive(path: path), try Archive(path: path)]
    let numbers = try await withThrowingTaskGroup(of: [Int64].self) { group in
      for writer in 0..<4 {
        group.addTask {
          try (0..<10).map { try archives[writer % 2].save(Fixture.measurement($0, model: "writer \(writer)")) }
        }
      }
      return try await group.reduce(into: []) { $0 += $1 }
    }
    #expect(Set(numbers).count == 40)
    #expect(try Set(archives[0].measurements().map(\.number)) == Set(numbers))
    for writer in 0..<4 {
      let own = try archives[1].measurements(model: "writer \(writer)").map(\.measurement.allocated.bytes)
      #expect(own == (0..<10).reversed())
    }
  }

  @Test(.enabled(if: geteuid() != 0, "the administrator may write everywhere"))
  func `a folder that may not be written is told as such`() throws {
    try Fixture.withPath { path in
      let folder = (path as NSString).deletingLastPathComponent
      try FileManager.default.setAttributes([.posixPermissions: 0o555], ofItemAtPath: folder)
      defer { try? FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder) }
      #expect(throws: ArchiveError.readOnly(path: path)) { try Archive(path: path) }
    }
  }

  @Test func `a database of a newer program is refused by name and not changed`() throws {
    try Fixture.withPath { path in
      try Archive(path: path).save(Fixture.measurement())
      try Database.run(path, "INSERT INTO grdb_migrations VALUES ('9999-something-new')")
      let before = try Database.run(path, "SELECT * FROM grdb_migrations")
      #expect(throws: ArchiveError.newerSchema(path: path)) { try Archive(path: path) }
      #expect(try Database.run(path, "SELECT * FROM grdb_migrations") == before)
      #expect(before.count == 3)
      #expect(try Database.run(path, "SELECT id FROM measurement").count == 1)
    }
  }

  @Test func `every error says what to do, and names the file`() {
    let path = "/somewhere/anprobe.sqlite"
    let errors: [ArchiveError] = [
      .notADatabase(path: path), .newerSchema(path: path), .diskFull(path: path), .readOnly(path: path),
      .busy(path: path), .other(path: path, reason: "reason"),
    ]
    #expect(Set(errors.map(\.kind)).count == errors.count)
    for error in errors {
      #expect(error.message.contains(path))
      #expect(error.message.hasSuffix("."))
      #expect(error.remedy.hasSuffix("."))
      #expect(error.exitCode == .failure)
    }
  }
}
