// SPDX-License-Identifier: Apache-2.0
package import Evidence
internal import Foundation
internal import GRDB
package import Hardware
internal import JSONText

/// The user's database of measurements and calibrations (docs/storage.md).
///
/// Write-ahead logging: what a method reported as saved survives a killed process, and several processes may use the
/// file at once.
package final class Archive: Sendable {
  package let path: String
  private let database: DatabasePool

  /// Opens the file, making it and its folder when they are missing, and brings its schema up to date.
  ///
  /// - Throws: `ArchiveError`; a file that is damaged or from a newer program is left as it is.
  package init(path: String) throws(ArchiveError) {
    self.path = path
    let folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
    do { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) } catch {
      throw .readOnly(path: path)
    }
    // Two processes that make the same new file at once would meet each other's half-made tables.
    let lock = FolderLock(folder)
    defer { lock.release() }
    do {
      var configuration = Configuration()
      // Another process may be writing: wait rather than fail.
      configuration.busyMode = .timeout(5)
      configuration.prepareDatabase { try $0.execute(sql: "PRAGMA synchronous = FULL") }
      let isUpToDate = try Self.isUpToDate(path, configuration)
      database = try DatabasePool(path: path, configuration: configuration)
      if !isUpToDate { try ArchiveSchema.migrator.migrate(database) }
    } catch {
      throw ArchiveError(error, path: path)
    }
  }

  /// Looks at the file without writing: whether its schema is this program's.
  ///
  /// Opening it for writing writes at once, and what could be rescued from a damaged file would be gone. Before a
  /// migration all pages are checked.
  private static func isUpToDate(_ path: String, _ configuration: Configuration) throws -> Bool {
    let size = (try? FileManager.default.attributesOfItem(atPath: path)[.size]) as? NSNumber
    guard let size, size.int64Value > 0 else { return false }
    var configuration = configuration
    configuration.readonly = true
    let migrator = ArchiveSchema.migrator
    return try DatabaseQueue(path: path, configuration: configuration).read { database in
      if try migrator.hasBeenSuperseded(database) { throw ArchiveError.newerSchema(path: path) }
      if try migrator.hasCompletedMigrations(database) { return true }
      guard try String.fetchOne(database, sql: "PRAGMA quick_check(1)") == "ok" else {
        throw ArchiveError.notADatabase(path: path)
      }
      return false
    }
  }

  func perform<Value>(_ body: (DatabasePool) throws -> Value) throws(ArchiveError) -> Value {
    do { return try body(database) } catch { throw ArchiveError(error, path: path) }
  }

  /// Saves a measurement; its number in the archive.
  @discardableResult
  package func save(_ measurement: Evidence.Measurement) throws(ArchiveError) -> Int64 {
    try perform { pool in
      try pool.write { database in
        try database.execute(
          sql: """
            INSERT INTO measurement (date, machine, model, variant, mode, threads, kernels, payload)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?)
            """,
          arguments: [
            measurement.date, measurement.machine, measurement.model, measurement.variant, measurement.mode.rawValue,
            measurement.threads, measurement.kernels, measurement.json.text(),
          ])
        return database.lastInsertedRowID
      }
    }
  }

  /// The newest measurements first.
  ///
  /// - Parameter model: only those of this model.
  package func measurements(model: String? = nil, limit: Int = 1000) throws(ArchiveError) -> [(
    number: Int64, measurement: Evidence.Measurement
  )] {
    try perform { pool in
      try pool.read { database in
        let rows = try Row.fetchAll(
          database,
          sql: """
            SELECT id, payload FROM measurement WHERE ?1 IS NULL OR model = ?1 ORDER BY id DESC LIMIT ?2
            """, arguments: [model, limit])
        return rows.compactMap { row in
          let text: String = row["payload"]
          let measurement = (try? JSON(parsing: text)).flatMap { Evidence.Measurement(json: $0) }
          return measurement.map { (row["id"], $0) }
        }
      }
    }
  }

  /// Deletes one measurement; false when there is none of that number.
  package func deleteMeasurement(_ number: Int64) throws(ArchiveError) -> Bool {
    try perform { pool in
      try pool.write { database in
        try database.execute(sql: "DELETE FROM measurement WHERE id = ?", arguments: [number])
        return database.changesCount > 0
      }
    }
  }

  /// Saves a calibration for a machine, known by its fingerprint.
  package func save(_ calibration: Calibration, machine: String) throws(ArchiveError) {
    try perform { pool in
      try pool.write { database in
        try database.execute(
          sql: "INSERT INTO calibration (date, machine, kernels, payload) VALUES (?, ?, ?, ?)",
          arguments: [calibration.date, machine, calibration.kernelSet, calibration.json.text()])
      }
    }
  }

  /// The newest calibration of a machine; nil when there is none that can be read.
  package func calibration(machine: String) throws(ArchiveError) -> Calibration? {
    try perform { pool in
      try pool.read { database in
        let text = try String.fetchOne(
          database, sql: "SELECT payload FROM calibration WHERE machine = ? ORDER BY id DESC LIMIT 1",
          arguments: [machine])
        return text.flatMap { text in
          (try? JSON(parsing: text)).flatMap { try? Calibration(json: $0, file: path) }
        }
      }
    }
  }
}
