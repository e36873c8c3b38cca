// SPDX-License-Identifier: Apache-2.0
package import Evidence
internal import GRDB
package import JSONText

extension Archive {
  /// Saves what a model was judged to be; its number in the archive.
  @discardableResult
  package func save(_ evaluation: Evaluation) throws(ArchiveError) -> Int64 {
    try perform { pool in
      try pool.write { database in
        try database.execute(
          sql: "INSERT INTO evaluation (date, machine, model, variant, payload) VALUES (?, ?, ?, ?, ?)",
          arguments: [
            evaluation.date, evaluation.machine, evaluation.subject.model, evaluation.subject.variant,
            JSON.object(evaluation.members).text(),
          ])
        return database.lastInsertedRowID
      }
    }
  }

  /// The newest evaluations first, in the form of `evaluate`'s answer.
  ///
  /// - Parameter model: only those of this model.
  package func evaluations(model: String? = nil, limit: Int = 1000) throws(ArchiveError) -> [(
    number: Int64, evaluation: JSON
  )] {
    try perform { pool in
      try pool.read { database in
        let rows = try Row.fetchAll(
          database,
          sql: "SELECT id, payload FROM evaluation WHERE ?1 IS NULL OR model = ?1 ORDER BY id DESC LIMIT ?2",
          arguments: [model, limit])
        return rows.compactMap { row in
          let text: String = row["payload"]
          return (try? JSON(parsing: text)).map { (row["id"], $0) }
        }
      }
    }
  }
}
