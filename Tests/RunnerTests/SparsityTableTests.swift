// SPDX-License-Identifier: Apache-2.0
import Evidence
import LanguageModel
import Testing

@Suite struct SparsityTableTests {
  private func row(_ kept: Int?, decode: Double, prefill: Double = 1) throws -> SparsityTable.Row {
    let format = try #require(
      kept.map { RuntimeFormat.keptRows(permille: $0, columns: 2048) } ?? RuntimeFormat(.f16))
    var row = SparsityTable.Row(format: format, sparsity: kept.map { Double(1000 - $0) / 1000 })
    (row.decode, row.prefill) = (decode, prefill)
    return row
  }

  private func table(_ rows: [SparsityTable.Row]) -> SparsityTable {
    SparsityTable(kernelSet: "portable", threads: 1, rows: rows)
  }

  @Test func `wins begin where times cross, and where bits fall below`() throws {
    // Seconds per weight: 1 dense; 2, 1.5 and 0.5 with 20, 40 and 60 % zeros.
    let rows = [
      try row(nil, decode: 1), try row(800, decode: 0.5), try row(600, decode: 1 / 1.5), try row(400, decode: 2),
    ]
    let found = try #require(table(rows).breakEvens.first)
    #expect(abs(try #require(found.decode) - 0.5) < 1e-9)
    #expect(found.prefill == nil)
    // 1 + 16 · (1 − s) < 16 from s > 1/16 on; 2048 columns and thousandths round it to 0.063.
    #expect(found.memory == 0.063)
  }

  @Test func `a win that does not last is none`() throws {
    let rows = [try row(nil, decode: 1), try row(800, decode: 2), try row(400, decode: 0.9)]
    #expect(try #require(table(rows).breakEvens.first).decode == nil)
  }

  @Test(arguments: SparsityTable.dense)
  func `memory is won for good`(dense: RuntimeFormat) throws {
    let share = try #require(table([SparsityTable.Row(format: dense, sparsity: nil)]).breakEvens.first?.memory)
    for removed in Int(share * 1000 + 0.5)..<1000 {
      let kept = try #require(RuntimeFormat.keptRows(permille: 1000 - removed, columns: 2048))
      #expect(kept.bitsPerWeight < dense.bitsPerWeight)
    }
  }
}
