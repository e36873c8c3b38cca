// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import JSONText
import Quantities

/// The only place where errors become output.
enum ErrorFace {
  static func show(_ error: any ExplainedError, isJSON: Bool) {
    show(kind: error.kind, message: error.message, remedy: error.remedy, isJSON: isJSON)
  }

  /// What the argument parser refused, or help and version that it was asked for.
  static func showParserError(_ error: any Error, isJSON: Bool) -> ExitStatus {
    let text = Anprobe.fullMessage(for: error)
    guard Anprobe.exitCode(for: error) != .success else {
      Console(isJSON: false).answer([text])
      return .success
    }
    guard !isJSON else {
      let message = Anprobe.message(for: error)
      show(kind: "usage", message: message, remedy: "Run 'anprobe help' for the options.", isJSON: true)
      return .badInput
    }
    Console(isJSON: false).notice(text)
    return .badInput
  }

  private static func show(kind: String, message: String, remedy: String, isJSON: Bool) {
    let console = Console(isJSON: isJSON)
    guard isJSON else { return console.notice("\(message)\n\(remedy)") }
    let body: JSON = ["error": ["kind": .string(kind), "message": .string(message), "remedy": .string(remedy)]]
    console.answer([body.text()])
  }
}
