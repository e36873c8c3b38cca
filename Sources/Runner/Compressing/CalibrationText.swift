// SPDX-License-Identifier: Apache-2.0

/// A text that shows which weights matter, in the model's tokens.
package struct CalibrationText: Sendable {
  /// For the file's metadata.
  package var name: String
  package var tokens: [Int32]
  /// Tokens that see each other.
  package var window: Int

  package init(name: String, tokens: [Int32], window: Int = 512) {
    self.name = name
    self.tokens = tokens
    self.window = max(1, window)
  }

  var windows: [Range<Int>] {
    stride(from: 0, to: tokens.count, by: window).map { $0..<min($0 + window, tokens.count) }
  }
}

/// Tells how far a compression is, and asks whether to go on.
struct Watch: Sendable {
  let output: String
  let progress: @Sendable (String) -> Void
  let isCancelled: @Sendable () -> Bool

  /// - Throws: `CompressorError.interrupted`.
  func step(_ text: @autoclosure () -> String) throws(CompressorError) {
    if isCancelled() { throw .interrupted(path: output) }
    progress(text())
  }
}
