// SPDX-License-Identifier: Apache-2.0
package import Quantities

/// Why a template gives no text, and on which of its lines.
package enum JinjaError: ExplainedError, Equatable {
  /// What stands there is no Jinja, or a part of it that is not known here.
  case syntax(line: Int, found: String, expected: String)
  case unknown(line: Int, what: String, name: String)
  /// An operation on values that do not have it.
  case type(line: Int, reason: String)
  /// The template itself refuses: `raise_exception`.
  case refused(reason: String)
  /// A hostile or broken template would not end.
  case limit(line: Int, what: String, limit: Int)

  package var kind: String { "chat_template" }

  package var message: String {
    switch self {
    case .syntax(let line, let found, let expected):
      "The template has \(found) on line \(line) where \(expected) belongs."
    case .unknown(let line, let what, let name):
      "The template uses the \(what) '\(name)' on line \(line), which is not known."
    case .type(let line, let reason): "The template fails on line \(line): \(reason)."
    case .refused(let reason): "The template refuses these messages: \(reason)."
    case .limit(let line, let what, let limit): "The template was stopped on line \(line): more than \(limit) \(what)."
    }
  }

  package var remedy: String {
    switch self {
    case .refused: "Change the messages as it says, or write the prompt out yourself with --prompt."
    default: "Write the prompt out yourself with --prompt."
    }
  }

  package var exitCode: ExitReason { .badInput }
}
