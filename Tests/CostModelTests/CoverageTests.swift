// SPDX-License-Identifier: Apache-2.0
import CostModel
import Testing

/// How sure a coverage is, and what other rules of intervals would cover.
@Suite struct CoverageTests {
  /// Of each machine how many of its rows lie inside.
  private static func row(_ machines: [(inside: Int, count: Int)]) throws -> CoverageRow {
    let cases = machines.enumerated().flatMap { index, machine in
      (0..<machine.count).map {
        CoverageRow.Case(machine: "machine \(index)", isInside: $0 < machine.inside, byRule: [.rows: $0 == 0])
      }
    }
    return try #require(CoverageRow(engine: "all", deviceClass: "gpu", quantity: "decode", cases))
  }

  @Test func `with one row for each machine the standard error is that of a share`() throws {
    let row = try Self.row((0..<20).map { ($0 < 15 ? 1 : 0, 1) })
    #expect(row.coverage == 0.75)
    #expect(abs(try #require(row.standardError) - (0.75 * 0.25 / 19).squareRoot()) < 1e-12)
  }

  @Test func `machines that are wrong as a whole count once, however many rows they have`() throws {
    let few = try Self.row((0..<8).map { ($0 < 6 ? 1 : 0, 1) })
    let many = try Self.row((0..<8).map { ($0 < 6 ? 50 : 0, 50) })
    #expect(few.coverage == many.coverage)
    #expect(abs(try #require(few.standardError) - (try #require(many.standardError))) < 1e-12)
    // The same 400 rows, mixed: each machine three quarters inside, none of them unlike the others.
    #expect(try #require(try Self.row((0..<8).map { _ in (36, 48) }).standardError) < 1e-12)
  }

  @Test func `one machine, or rows that all lie inside, tell nothing of the error`() throws {
    #expect(try Self.row([(9, 10)]).standardError == nil)
    #expect(try Self.row([(3, 3), (5, 5)]).standardError == nil)
    #expect(CoverageRow(engine: "all", deviceClass: "gpu", quantity: "decode", []) == nil)
  }

  @Test func `machines are told with the most rows outside first, and a rule only where every row knows it`() throws {
    let row = try Self.row([(4, 4), (1, 4), (2, 4)])
    #expect(row.machines.map(\.name) == ["machine 1", "machine 2", "machine 0"])
    #expect(row.machines.map(\.outside) == [3, 2, 0])
    #expect(row.byRule == [.rows: 0.25])
  }

  /// One error for each of so many machines, evenly from -0.5 to 0.5.
  private static func table(_ machines: Int) -> ErrorTable {
    ErrorTable(
      (0..<machines).map {
        .init(
          machine: "machine \($0)", classKey: "cards", kind: .gpu, quantity: .decode,
          error: Double($0) / Double(machines - 1) - 0.5)
      })
  }

  @Test func `without the next machine intervals are never wider, and rows alike reach as far either way`() {
    for machines in [5, 9, 10, 20, 45, 101] {
      let table = Self.table(machines)
      func interval(_ rule: IntervalRule) -> ErrorInterval { table.interval("cards", .gpu, .decode, by: rule) }
      #expect(interval(.knownMachines).width <= interval(.machines).width, "\(machines)")
      let alike = interval(.rows)
      #expect(abs(alike.low * alike.high - 1) < 1e-12)
      // By default estimates are told by machines.
      #expect(table.interval("cards", .gpu, .decode) == interval(.machines))
    }
  }

  @Test func `validations tell of the rule in use what their rows tell`() throws {
    let speeds = CrossValidation(
      .devices, try CrossValidationTests.observations(machines: 6) { [0.7, 0.9, 1, 1, 1.1, 1.6][$0] })
    #expect(speeds.areInside(by: .machines) == speeds.rows.map(\.isInside))
    #expect(speeds.rows.contains { !$0.isInside })
  }
}
