// SPDX-License-Identifier: Apache-2.0
import CostModel
import JSONText
import Quantities

/// How sure the coverage of the 90 % intervals is, what other rules would cover, and whose rows lie outside.
struct CoverageReport {
  let rows: [CoverageRow]
  /// Of so many machines all are named.
  private static let few = 5

  func show(_ console: Console) {
    var table = TextTable([
      ("QUANTITY", .left), ("DEVICE", .left), ("ENGINE", .left), ("COUNT", .right), ("MACHINES", .right),
      ("IN 90 %", .right), ("±", .right), ("BY MACHINES", .right), ("WITHOUT NEXT", .right), ("ROWS ALIKE", .right),
    ])
    for row in rows {
      table.append(
        [
          row.quantity, row.deviceClass, row.engine, "\(row.count)", "\(row.machines.count)",
          AblationReport.percent(row.coverage), row.standardError.map { Self.points($0) } ?? "–",
        ].map { StyledText($0) }
          + [IntervalRule.machines, .knownMachines, .rows].map { rule in
            StyledText(row.byRule[rule].map(AblationReport.percent) ?? "–")
          })
    }
    console.answer(table)
    console.answer([
      "",
      "±: standard error by machines in points, of a ratio over clusters (Cochran 1977, § 3.12); of few machines too small.",
      "By machines, as speeds are told: nine in ten of machines left out and of the next one. Without next: of the known ones.",
      "Rows alike, as memory and power are told: the ⌈0.9·(n + 1)⌉-th smallest error. MACHINES counts models of memory and loss.",
    ])
    console.answer(Self.ruleSentences(rows) + rows.compactMap(Self.sentence))
    let whole = rows.filter { $0.coverage == 1 }
    if !whole.isEmpty { console.answer(["All inside: \(whole.map(Self.name).joined(separator: ", "))."]) }
  }

  /// Of each rule the classes of speeds that it holds too much or too little of.
  static func ruleSentences(_ rows: [CoverageRow]) -> [String] {
    let speeds = rows.filter { SpeedObservation.Quantity(rawValue: $0.quantity) != nil }
    guard !speeds.isEmpty else { return [] }
    let names: [(IntervalRule, String)] = [
      (.machines, "By machines"), (.knownMachines, "Without next"), (.rows, "Rows alike"),
    ]
    return names.map { rule, title in
      let outside = speeds.compactMap { row -> String? in
        guard let share = row.byRule[rule], !CoverageRow.wanted.contains(share) else { return nil }
        return "\(name(row)) \(AblationReport.percent(share))"
      }
      let held = outside.isEmpty ? "none" : outside.joined(separator: ", ")
      return "\(title), speeds outside 85 to 95 %: \(held)."
    }
  }

  /// Whose rows lie outside, of a class that does not hold what it should; nil of others, and where all lie inside.
  static func sentence(_ row: CoverageRow) -> String? {
    guard !CoverageRow.wanted.contains(row.coverage), row.coverage < 1 else { return nil }
    let isAbove = row.coverage > CoverageRow.wanted.upperBound
    let end = isAbove ? CoverageRow.wanted.upperBound : CoverageRow.wanted.lowerBound
    let away = abs(row.coverage - end)
    let errors = row.standardError.map { ", \(QuantityFormat.fixed(away / $0, decimals: 1)) standard errors" } ?? ""
    return "\(name(row)): \(points(away)) points \(isAbove ? "above" : "below") "
      + "\(QuantityFormat.fixed(end * 100, decimals: 0)) %\(errors). Outside: \(machines(row))."
  }

  private static func name(_ row: CoverageRow) -> String {
    "\(row.quantity) \(row.deviceClass)" + (["all", "–"].contains(row.engine) ? "" : " \(row.engine)")
  }

  private static func machines(_ row: CoverageRow) -> String {
    let outside = row.machines.filter { $0.outside > 0 || row.machines.count <= few }
    return outside.isEmpty ? "none" : outside.map { "\($0.name) \($0.outside) of \($0.count)" }.joined(separator: ", ")
  }

  private static func points(_ share: Double) -> String { QuantityFormat.fixed(share * 100, decimals: 1) }
}

extension CoverageRow {
  var json: JSON {
    func share(_ rule: IntervalRule) -> JSON { byRule[rule].map { .number($0) } ?? .null }
    return [
      "engine": .string(engine), "deviceClass": .string(deviceClass), "quantity": .string(quantity),
      "count": .integer(Int64(count)), "machines": .integer(Int64(machines.count)),
      "intervalCoverage": .number(coverage),
      "standardError": standardError.map { .number($0) } ?? .null, "byMachines": share(.machines),
      "withoutNextMachine": share(.knownMachines), "rowsAlike": share(.rows),
      "byMachine": .array(
        machines.map {
          [
            "machine": .string($0.name), "outside": .integer(Int64($0.outside)), "count": .integer(Int64($0.count)),
          ]
        }),
    ]
  }
}
