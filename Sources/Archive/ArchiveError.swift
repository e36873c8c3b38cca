// SPDX-License-Identifier: Apache-2.0
internal import GRDB
package import Quantities

/// Why the archive cannot be used.
package enum ArchiveError: ExplainedError, Equatable {
  case notADatabase(path: String)
  case newerSchema(path: String)
  case diskFull(path: String)
  case readOnly(path: String)
  case busy(path: String)
  case other(path: String, reason: String)

  init(_ error: any Error, path: String) {
    switch error {
    case let known as ArchiveError: self = known
    case let error as DatabaseError:
      switch error.resultCode {
      case .SQLITE_NOTADB, .SQLITE_CORRUPT: self = .notADatabase(path: path)
      case .SQLITE_FULL: self = .diskFull(path: path)
      case .SQLITE_READONLY, .SQLITE_PERM, .SQLITE_CANTOPEN: self = .readOnly(path: path)
      case .SQLITE_BUSY, .SQLITE_LOCKED: self = .busy(path: path)
      default: self = .other(path: path, reason: error.message ?? "SQLite's code \(error.resultCode.rawValue)")
      }
    default: self = .other(path: path, reason: "\(error)")
    }
  }

  package var kind: String {
    switch self {
    case .notADatabase: "archive_damaged"
    case .newerSchema: "archive_newer"
    case .diskFull: "disk_full"
    case .readOnly: "archive_not_writable"
    case .busy: "archive_busy"
    case .other: "archive"
    }
  }

  package var message: String {
    switch self {
    case .notADatabase(let path): "The archive '\(path)' is damaged or no SQLite database."
    case .newerSchema(let path): "The archive '\(path)' was written by a newer version of anprobe."
    case .diskFull(let path): "The disk is full, so '\(path)' could not be written; what was saved before is kept."
    case .readOnly(let path): "The archive '\(path)' cannot be opened for writing."
    case .busy(let path): "Another process holds the archive '\(path)' and did not let go within 5 s."
    case .other(let path, let reason): "The archive '\(path)' cannot be used: \(reason)."
    }
  }

  package var remedy: String {
    switch self {
    case .notADatabase: "Move the file away to start a new one; nothing was overwritten."
    case .newerSchema: "Use the newer version, or set XDG_DATA_HOME to another folder."
    case .diskFull: "Free some space and run the command again."
    case .readOnly, .other: "Check the folder's permissions, or set XDG_DATA_HOME to a folder that may be written."
    case .busy: "Wait for the other process to end, then run the command again."
    }
  }

  package var exitCode: ExitReason { .failure }
}
