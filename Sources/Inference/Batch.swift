// SPDX-License-Identifier: Apache-2.0

/// The tokens of one pass: those of one sequence after those of another.
///
/// Products see rows and read their weights once for all of them; attention sees sequences.
struct Batch {
  /// Consecutive tokens of one sequence.
  struct Part {
    let sequence: Int
    let tokens: ArraySlice<Int32>
    /// The position of the first of them in its sequence.
    let first: Int
    /// The row of the first of them in the pass's buffers.
    let row: Int

    var rows: Range<Int> { row..<row + tokens.count }
    /// The row of the last token, whose logits continue the sequence.
    var lastRow: Int { row + tokens.count - 1 }
  }

  private(set) var parts: [Part] = []
  /// Rows of all parts.
  private(set) var rows = 0

  init() {}

  init(_ tokens: ArraySlice<Int32>, at first: Int, of sequence: Int) { append(tokens, at: first, of: sequence) }

  /// Tokens of a sequence at positions `first ...`.
  mutating func append(_ tokens: ArraySlice<Int32>, at first: Int, of sequence: Int) {
    guard !tokens.isEmpty else { return }
    parts.append(Part(sequence: sequence, tokens: tokens, first: first, row: rows))
    rows += tokens.count
  }

  /// Calls `body` for each of the rows with its sequence and position.
  func forEach(of some: Range<Int>, _ body: (_ row: Int, _ sequence: Int, _ position: Int) -> Void) {
    for part in parts where part.rows.overlaps(some) {
      for row in part.rows.clamped(to: some) { body(row, part.sequence, part.first + row - part.row) }
    }
  }
}
