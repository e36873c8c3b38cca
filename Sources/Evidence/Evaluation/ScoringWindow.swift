// SPDX-License-Identifier: Apache-2.0

/// How a text longer than the context is cut.
package enum WindowMethod: String, Sendable, CaseIterable {
  /// Overlapping windows; each judges what the one before did not see (Hugging Face's perplexity of fixed-length models).
  case strided
  /// Windows side by side of which the second half is judged (llama.cpp's perplexity).
  case halves
  /// Windows side by side, all of which is judged (lm-evaluation-harness, rolling log-likelihood).
  case rolling
}

/// One pass over a part of a sequence: what is read and what is judged.
///
/// The logits behind the token at place i judge the token at i + 1.
package struct ScoringWindow: Sendable, Equatable {
  package var inputs: Range<Int>
  /// Never empty, within one place behind `inputs`.
  package var targets: Range<Int>

  package init(inputs: Range<Int>, targets: Range<Int>) {
    self.inputs = inputs
    self.targets = targets
  }

  /// The windows of a sequence of `count` tokens.
  ///
  /// - Parameters:
  ///   - length: tokens that the model may see in a window.
  ///   - stride: tokens by which a strided window moves on, less than `length`; other methods ignore it.
  /// - Returns: none when the sequence is too short to judge a token.
  package static func plan(_ method: WindowMethod, count: Int, length: Int, stride: Int) -> [ScoringWindow] {
    guard count > 1, length > 1 else { return [] }
    return switch method {
    case .strided: strided(count, length, max(1, min(stride, length - 1)))
    case .halves: halves(count, length)
    case .rolling: rolling(count, length)
    }
  }

  private static func strided(_ count: Int, _ length: Int, _ stride: Int) -> [ScoringWindow] {
    var windows: [ScoringWindow] = []
    var judged = 1
    for begin in Swift.stride(from: 0, to: count, by: stride) {
      let end = min(begin + length, count)
      windows.append(ScoringWindow(inputs: begin..<end - 1, targets: judged..<end))
      judged = end
      if end == count { break }
    }
    return windows
  }

  private static func halves(_ count: Int, _ length: Int) -> [ScoringWindow] {
    guard length > 2 else { return [] }
    return Swift.stride(from: 0, through: count - length, by: length).map { begin in
      ScoringWindow(inputs: begin..<begin + length - 1, targets: begin + length / 2 + 1..<begin + length)
    }
  }

  private static func rolling(_ count: Int, _ length: Int) -> [ScoringWindow] {
    Swift.stride(from: 1, to: count, by: length).map { first in
      let end = min(first + length, count)
      return ScoringWindow(inputs: max(0, end - 1 - length)..<end - 1, targets: first..<end)
    }
  }
}
