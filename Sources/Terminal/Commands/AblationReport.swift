// SPDX-License-Identifier: Apache-2.0
import JSONText
import Planning
import Quantities

/// What each term of the time model and each part of the data is worth.
struct AblationReport {
  let rows: [AblationRow]

  func show(_ console: Console, json: Bool) {
    guard !json else { return console.answer(command: "accuracy", [.init("ablation", .array(rows.map(\.json)))]) }
    var table = TextTable([
      ("QUANTITY", .left), ("DEVICE", .left), ("CHANGE", .left), ("COUNT", .right), ("MEDIAN", .right), ("P90", .right),
    ])
    for row in rows {
      table.append([
        StyledText(row.quantity), StyledText(row.deviceClass), StyledText(row.change), StyledText("\(row.count)"),
        StyledText(Self.percent(row.medianAbsoluteError)), StyledText(Self.percent(row.p90AbsoluteError)),
      ])
    }
    console.answer(table)
    console.answer([
      "", "Without a term everything is fitted again, each machine predicted without it.",
      "Without rows only the score changes.",
      "A factor of its own for each engine on each machine is what no estimate can know: what then remains is the shape of",
      "the model; the difference to the first row is what is not known of the machines.",
    ])
  }

  private static func percent(_ value: Double) -> String { "\(QuantityFormat.fixed(value * 100, decimals: 1)) %" }
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
