// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// What happens when the context is full.
struct ShiftOptions: ParsableArguments {
  @Flag(
    help: "When the context is full, forget half of it and go on; the first tokens stay (--keep).")
  var contextShift = false
  @Option(
    help: ArgumentHelp(
      "Tokens at the beginning that --context-shift never forgets (default: \(Self.sinks)).", valueName: "count"),
    transform: Self.count)
  var keep: Int?

  /// So many first tokens carry the attention that no other token wants (StreamingLLM, arXiv 2309.17453).
  static let sinks = 4

  private static func count(_ text: String) throws -> Int {
    guard let count = Int(text), count >= 0 else {
      throw ValidationError("'\(text)' is no count of tokens; give a whole number, 0 or more.")
    }
    return count
  }

  func validate() throws {
    guard keep == nil || contextShift else { throw ValidationError("--keep goes with --context-shift.") }
  }

  /// Nil without a shift.
  var keptTokens: Int? { contextShift ? keep ?? Self.sinks : nil }
}
