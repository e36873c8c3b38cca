// SPDX-License-Identifier: Apache-2.0

/// How many threads take part in the passes of each phase of the built-in runtime.
///
/// Passes of a few rows are limited by memory, which fewer threads may saturate than arithmetic can use.
package struct ThreadCounts: Sendable, Equatable {
  /// Of passes of a few rows: decoding, of several sequences too, and judging a draft's proposals.
  package let decode: Int
  /// Of passes of many rows: prompts.
  package let prefill: Int

  /// Passes of so many rows at most are a few: each row has the sums that it has alone, and weights' bytes limit them.
  package static let fewRows = 32

  package init(decode: Int, prefill: Int) {
    self.decode = max(1, decode)
    self.prefill = max(1, prefill)
  }

  /// The same for both.
  package init(_ count: Int) { self.init(decode: count, prefill: count) }

  /// The threads that a pool for both phases has.
  package var most: Int { max(decode, prefill) }

  /// The threads of a pass of so many rows.
  package func count(rows: Int) -> Int { rows <= Self.fewRows ? decode : prefill }
}

extension ThreadCounts: ExpressibleByIntegerLiteral {
  package init(integerLiteral count: Int) { self.init(count) }
}

extension ThreadCounts: CustomStringConvertible {
  /// `4 threads (8 for prompts)`.
  package var description: String {
    "\(decode) thread\(decode == 1 ? "" : "s")" + (prefill == decode ? "" : " (\(prefill) for prompts)")
  }
}

/// The counts that somebody asked for; nil leaves the choice to what was measured.
package struct ThreadWish: Sendable, Equatable {
  package var decode: Int?
  package var prefill: Int?
  package static let none = ThreadWish(threads: nil)

  /// - Parameters:
  ///   - threads: of both phases.
  ///   - batch: of prompts, where they shall have another count.
  package init(threads: Int?, batch: Int? = nil) {
    decode = threads
    prefill = batch ?? threads
  }

  package init(_ counts: ThreadCounts) { self.init(threads: counts.decode, batch: counts.prefill) }

  /// Whether nothing is left to choose.
  package var isComplete: Bool { decode != nil && prefill != nil }

  /// What was asked for, and of `chosen` the rest.
  package func filled(from chosen: ThreadCounts) -> ThreadCounts {
    ThreadCounts(decode: decode ?? chosen.decode, prefill: prefill ?? chosen.prefill)
  }
}

extension ThreadWish: ExpressibleByIntegerLiteral {
  package init(integerLiteral count: Int) { self.init(threads: count) }
}
