// SPDX-License-Identifier: Apache-2.0

/// An error that can tell a person what failed, why, and what to do next.
///
/// Cases of the conforming enums carry data; only this conformance makes sentences of them.
package protocol ExplainedError: Error, Sendable {
  /// A stable word for programs, in snake_case: `file_truncated`, `model_not_found`.
  var kind: String { get }
  /// What failed, on which thing, and why: one sentence, the thing in quotes.
  var message: String { get }
  /// What to do next, as an instruction.
  var remedy: String { get }
  var exitCode: ExitReason { get }
}

/// The process exit codes of every command.
package enum ExitReason: Int32, Sendable {
  case failure = 1
  case badInput = 2
  case nothingFits = 3
}
