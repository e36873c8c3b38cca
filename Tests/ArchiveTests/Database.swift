// SPDX-License-Identifier: Apache-2.0
import Foundation
import GRDB

/// Looks into an archive's file past the archive.
enum Database {
  /// The rows of a statement, one text each.
  @discardableResult
  static func run(_ path: String, _ sql: String) throws -> [String] {
    let queue = try DatabaseQueue(path: path)
    defer { try? queue.close() }
    return try queue.write { database in try Row.fetchAll(database, sql: sql).map(\.description) }
  }
}
