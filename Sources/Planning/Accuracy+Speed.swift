// SPDX-License-Identifier: Apache-2.0
internal import CostModel
internal import Profiles

extension PlanningSession {
  /// Rows by quantity, device and engine, then those of all engines; nothing that was set aside.
  static func table(_ validations: [CrossValidation]) -> [AccuracyRow] {
    let rows = validations.flatMap(\.rows).filter { $0.observation.setAside == nil }
    let engines = Set(rows.map(\.observation.engine))
    return cells.flatMap { quantity, scope in
      let own = own(rows, quantity, scope)
      // By engine where one kind of device is meant.
      let single = Engine.allCases.filter { scope.kinds.count == 1 && engines.contains($0) }.compactMap { engine in
        row(engine.rawValue, quantity, scope, own.filter { $0.observation.engine == engine })
      }
      return single + [row("all", quantity, scope, own)].compactMap { $0 }
    }
  }

  /// What was set aside, by reason, and the scores with it.
  static func doubted(_ validations: [CrossValidation]) -> SetAside {
    let rows = validations.flatMap(\.rows)
    let reasons = Dictionary(grouping: rows.compactMap(\.observation.setAside)) { $0 }
    return SetAside(
      reasons: reasons.sorted { $0.key < $1.key }.map {
        UnusedFigures("speed", LeftOut(reason: $0.key, count: $0.value.count))
      },
      rows: cells.compactMap { quantity, scope in row("all", quantity, scope, own(rows, quantity, scope)) })
  }

  private static var cells: [(SpeedObservation.Quantity, DeviceScope)] {
    SpeedObservation.Quantity.allCases.flatMap { quantity in DeviceScope.all.map { (quantity, $0) } }
  }

  private static func own(
    _ rows: [CrossValidation.Row], _ quantity: SpeedObservation.Quantity, _ scope: DeviceScope
  ) -> [CrossValidation.Row] {
    scope.own(rows.filter { $0.observation.quantity == quantity }) { $0.observation.kind }
  }

  private static func row(
    _ engine: String, _ quantity: SpeedObservation.Quantity, _ scope: DeviceScope, _ rows: [CrossValidation.Row]
  ) -> AccuracyRow? {
    AccuracyRow(engine: engine, deviceClass: scope.name, quantity: quantity.rawValue, rows.map(\.accuracyCase))
  }
}
