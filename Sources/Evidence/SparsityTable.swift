// SPDX-License-Identifier: Apache-2.0
package import LanguageModel

/// Measured products with rows of kept weights beside dense ones, and the sparsity from which the former win.
package struct SparsityTable: Sendable {
  /// What one format takes and does; speeds are the best of all samples, since what else runs only slows them.
  package struct Row: Sendable {
    package let format: RuntimeFormat
    /// The share of zeros; nil for a dense format.
    package let sparsity: Double?
    /// Weights per second of a product with one token, and of one with many for each of them; zeros count.
    package var decode = 0.0
    package var prefill = 0.0

    package init(format: RuntimeFormat, sparsity: Double?) {
      self.format = format
      self.sparsity = sparsity
    }
  }

  /// The shares of zeros from which kept rows beat a dense format for good; nil for never.
  package struct BreakEven: Sendable {
    package let dense: RuntimeFormat
    package let memory: Double?
    package let decode: Double?
    package let prefill: Double?
  }

  package static let dense: [RuntimeFormat] = [BlockFormat.f16, .q8_0, .q4_0].map { RuntimeFormat($0) }

  package let kernelSet: String
  package let threads: Int
  /// The dense formats, then rows from few zeros to many.
  package let rows: [Row]

  package init(kernelSet: String, threads: Int, rows: [Row]) {
    self.kernelSet = kernelSet
    self.threads = threads
    self.rows = rows
  }

  package var breakEvens: [BreakEven] {
    let kept = rows.compactMap { row in row.sparsity.map { (sparsity: $0, row: row) } }
    func speed(_ dense: Row, _ rate: (Row) -> Double) -> Double? {
      Self.crossing(kept.map { ($0.sparsity, 1 / rate($0.row)) }, below: 1 / rate(dense))
    }
    return rows.filter { $0.sparsity == nil }.map { dense in
      BreakEven(
        dense: dense.format, memory: Self.memory(below: dense.format), decode: speed(dense, \.decode),
        prefill: speed(dense, \.prefill))
    }
  }

  /// The least share of zeros, in thousandths, from which every sparser row is smaller.
  private static func memory(below dense: RuntimeFormat) -> Double? {
    let larger = (1..<1000).last { removed in
      let row = RuntimeFormat.keptRows(permille: 1000 - removed, columns: RuntimeFormat.referenceColumns)
      return (row?.bitsPerWeight ?? 16) >= dense.bitsPerWeight
    }
    return larger == 999 ? nil : Double((larger ?? 0) + 1) / 1000
  }

  /// Where costs fall below a limit for good, on the straight line between the two points around it; nil where the last
  /// one is not below.
  private static func crossing(_ points: [(share: Double, cost: Double)], below limit: Double) -> Double? {
    guard let last = points.last, last.cost < limit else { return nil }
    guard let above = points.lastIndex(where: { $0.cost >= limit }) else { return points.first?.share }
    let (low, high) = (points[above], points[above + 1])
    return low.share + (high.share - low.share) * (low.cost - limit) / (low.cost - high.cost)
  }
}
