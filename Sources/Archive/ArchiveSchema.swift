// SPDX-License-Identifier: Apache-2.0
internal import GRDB

/// The tables, one migration per change; a released migration is never edited.
enum ArchiveSchema {
  static var migrator: DatabaseMigrator {
    var migrator = DatabaseMigrator()
    migrator.registerMigration("1-measurements-and-calibrations") { database in
      try database.execute(
        sql: """
          CREATE TABLE measurement (
            id INTEGER PRIMARY KEY AUTOINCREMENT, date TEXT NOT NULL, machine TEXT NOT NULL, model TEXT NOT NULL,
            variant TEXT NOT NULL, mode TEXT NOT NULL, threads INTEGER NOT NULL, kernels TEXT NOT NULL,
            payload TEXT NOT NULL
          );
          CREATE INDEX measurementByModel ON measurement (model, variant);
          CREATE TABLE calibration (
            id INTEGER PRIMARY KEY AUTOINCREMENT, date TEXT NOT NULL, machine TEXT NOT NULL, kernels TEXT NOT NULL,
            payload TEXT NOT NULL
          );
          CREATE INDEX calibrationByMachine ON calibration (machine, id);
          """)
    }
    migrator.registerMigration("2-evaluations") { database in
      try database.execute(
        sql: """
          CREATE TABLE evaluation (
            id INTEGER PRIMARY KEY AUTOINCREMENT, date TEXT NOT NULL, machine TEXT NOT NULL, model TEXT NOT NULL,
            variant TEXT NOT NULL, payload TEXT NOT NULL
          );
          CREATE INDEX evaluationByModel ON evaluation (model, variant);
          """)
    }
    return migrator
  }
}
