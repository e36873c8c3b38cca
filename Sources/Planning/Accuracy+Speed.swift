// SPDX-License-Identifier: Apache-2.0
internal import CostModel
internal import Profiles

extension PlanningSession {
  /// Rows by quantity, device and engine, then those of all engines; nothing that was set aside.
  static func table(_ validations: [CrossValidation]) -> [AccuracyRow] {
    let rows = validations.flatMap(\.rows).filter { $0.observation.setAside == nil }
    let engines = Set(rows.map(\.observation.engine))
    return cells.flatMap { quantity, kind in
      let own = rows.filter { $0.observation.quantity == quantity && $0.observation.kind == kind }
      let single = Engine.allCases.filter(engines.contains).compactMap { engine in
        row(engine.rawValue, quantity, kind, own.filter { $0.observation.engine == engine })
      }
      return single + [row("all", quantity, kind, own)].compactMap { $0 }
        + (kind == .unified ? [oneDevice(rows.filter { $0.observation.quantity == quantity })].compactMap { $0 } : [])
    }
  }

  /// Cards alone and devices with unified memory together: what plays a part where a single device computes.
  private static func oneDevice(_ rows: [CrossValidation.Row]) -> AccuracyRow? {
    let own = rows.filter { [.gpu, .unified].contains($0.observation.kind) }
    // Nothing new where one of both has no rows.
    guard let quantity = own.first?.observation.quantity, Set(own.map(\.observation.kind)).count > 1 else { return nil }
    return AccuracyRow(
      engine: "all", deviceClass: "gpu or unified", quantity: quantity.rawValue, own.map(\.accuracyCase))
  }

  /// What was set aside, by reason, and the scores with it.
  static func doubted(_ validations: [CrossValidation]) -> SetAside {
    let rows = validations.flatMap(\.rows)
    let reasons = Dictionary(grouping: rows.compactMap(\.observation.setAside)) { $0 }
    return SetAside(
      reasons: reasons.sorted { $0.key < $1.key }.map {
        UnusedFigures("speed", LeftOut(reason: $0.key, count: $0.value.count))
      },
      rows: cells.compactMap { quantity, kind in
        row("all", quantity, kind, rows.filter { $0.observation.quantity == quantity && $0.observation.kind == kind })
      })
  }

  private static var cells: [(SpeedObservation.Quantity, DeviceKind)] {
    SpeedObservation.Quantity.allCases.flatMap { quantity in DeviceKind.allCases.map { (quantity, $0) } }
  }

  private static func row(
    _ engine: String, _ quantity: SpeedObservation.Quantity, _ kind: DeviceKind, _ rows: [CrossValidation.Row]
  ) -> AccuracyRow? {
    AccuracyRow(
      engine: engine, deviceClass: kind.rawValue, quantity: quantity.rawValue, rows.map(\.accuracyCase))
  }
}
