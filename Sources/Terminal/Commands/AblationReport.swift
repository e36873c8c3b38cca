// SPDX-License-Identifier: Apache-2.0
import CostModel
import JSONText
import Planning
import Quantities

/// What each term of the time model and each part of the data is worth, and how sure the coverage of the intervals is.
struct AblationReport {
  let answer: AblationAnswer

  func show(_ console: Console, json: Bool) {
    guard !json else {
      return console.answer(
        command: "accuracy",
        [.init("ablation", .array(answer.rows.map(\.json))), .init("coverage", .array(answer.coverage.map(\.json)))])
    }
    var table = TextTable([
      ("QUANTITY", .left), ("DEVICE", .left), ("CHANGE", .left), ("COUNT", .right), ("MEDIAN", .right), ("P90", .right),
    ])
    for row in answer.rows {
      table.append([
        StyledText(row.quantity), StyledText(row.deviceClass), StyledText(row.change), StyledText("\(row.count)"),
        StyledText(Self.percent(row.medianAbsoluteError)), StyledText(Self.percent(row.p90AbsoluteError)),
      ])
    }
    console.answer(table)
    console.answer([
      "", "Without a term everything is fitted again, each machine predicted without it.",
      "Without rows, or with those that other figures contradict, only the score changes.",
      "A factor of its own for each engine on each machine is what no estimate can know: what then remains is the shape of",
      "the model; the difference to the first row is what is not known of the machines.", "",
    ])
    CoverageReport(rows: answer.coverage).show(console)
  }

  static func percent(_ value: Double) -> String { "\(QuantityFormat.fixed(value * 100, decimals: 1)) %" }
}

extension AblationRow {
  fileprivate var json: JSON {
    [
      "quantity": .string(quantity), "deviceClass": .string(deviceClass), "change": .string(change),
      "count": .integer(Int64(count)), "medianAbsoluteError": .number(medianAbsoluteError),
      "p90AbsoluteError": .number(p90AbsoluteError),
    ]
  }
}
