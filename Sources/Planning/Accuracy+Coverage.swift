// SPDX-License-Identifier: Apache-2.0
package import CostModel

/// Kinds of devices whose speeds are counted together.
struct DeviceScope {
  let name: String
  let kinds: Set<DeviceKind>

  private init(_ kind: DeviceKind) { (name, kinds) = (kind.rawValue, [kind]) }
  private init(_ name: String, _ kinds: Set<DeviceKind>) { (self.name, self.kinds) = (name, kinds) }

  static let single = DeviceKind.allCases.map(DeviceScope.init)
  /// Cards alone and devices with unified memory: what plays a part where a single device computes.
  static let oneDevice = DeviceScope("gpu or unified", [.gpu, .unified])
  static let allDevices = DeviceScope("all devices", Set(DeviceKind.allCases))
  /// In the order of the tables.
  static let all = single.flatMap { $0.kinds == [.unified] ? [$0, oneDevice] : [$0] } + [allDevices]

  /// Those of its kinds; none where a wide scope finds one kind alone, which its own scope tells already.
  func own<Row>(_ rows: [Row], _ kind: (Row) -> DeviceKind) -> [Row] {
    let own = rows.filter { kinds.contains(kind($0)) }
    return kinds.count > 1 && Set(own.map(kind)).count < 2 ? [] : own
  }
}

extension AccuracyRow {
  /// Whether it stands for a whole quantity: of all engines on all devices, of decoding on single devices and on
  /// processors.
  package var standsForQuantity: Bool {
    guard engine == "all" || quantity == "loss" else { return false }
    let wide =
      quantity == SpeedObservation.Quantity.decode.rawValue
      ? [DeviceScope.oneDevice.name, DeviceKind.processor.rawValue] : ["all", DeviceScope.allDevices.name]
    return wide.contains(deviceClass)
  }
}

extension PlanningSession {
  /// Coverage of speeds by quantity and device, nothing that was set aside.
  static func coverage(_ validations: [CrossValidation]) -> [CoverageRow] {
    let cases = validations.flatMap { validation in
      let inside = rules { validation.areInside(by: $0) }
      return validation.rows.enumerated().map { index, row in
        (row.observation, CoverageRow.Case(row.observation.machine, row.isInside, inside, index))
      }
    }
    .filter { $0.0.setAside == nil }
    return SpeedObservation.Quantity.allCases.flatMap { quantity in
      let own = cases.filter { $0.0.quantity == quantity }
      return DeviceScope.all.compactMap { scope in
        CoverageRow(
          engine: "all", deviceClass: scope.name, quantity: quantity.rawValue, scope.own(own) { $0.0.kind }.map(\.1))
      }
    }
  }

  /// Coverage of memory by component, then of all; machines are models here.
  package static func coverage(_ memories: MemoryValidation) -> [CoverageRow] {
    let inside = rules { memories.areInside(by: $0) }
    let cases = memories.cases.enumerated().map { index, memory in
      (memory.observation, CoverageRow.Case(memory.observation.model, memory.accuracy.isInside, inside, index))
    }
    func row(_ component: String, _ own: [CoverageRow.Case]) -> CoverageRow? {
      CoverageRow(engine: "all", deviceClass: component, quantity: "memory", own)
    }
    let single = MemoryObservation.Component.allCases.map { component in
      row(component.rawValue, cases.filter { $0.0.component == component }.map(\.1))
    }
    return (single + [row("all", cases.map(\.1))]).compactMap { $0 }
  }

  /// Coverage of energy by scope and engine, then of all.
  package static func coverage(_ powers: PowerValidation) -> [CoverageRow] {
    let inside = rules { powers.areInside(by: $0) }
    let cases = zip(powers.rows, powers.rows.indices).map { row, index in
      (row.observation, CoverageRow.Case(row.observation.machine, row.accuracyCase.isInside, inside, index))
    }
    func row(_ engine: String, _ scope: String, _ own: [CoverageRow.Case]) -> CoverageRow? {
      CoverageRow(engine: engine, deviceClass: scope, quantity: "energy", own)
    }
    let single = Set(cases.map(\.0.scope)).sorted().flatMap { scope in
      Engine.allCases.map { engine in
        row(engine.rawValue, scope, cases.filter { $0.0.scope == scope && $0.0.engine == engine }.map(\.1))
      }
    }
    return (single + [row("all", "all", cases.map(\.1))]).compactMap { $0 }
  }

  /// Coverage of losses, whose intervals follow no such rule.
  static func coverage(_ qualities: [QualityValidation]) -> [CoverageRow] {
    let cases = qualities.compactMap(\.accuracyCase).map {
      CoverageRow.Case(machine: $0.machine, isInside: $0.isInside, byRule: [:])
    }
    return [CoverageRow(engine: "–", deviceClass: "all", quantity: "loss", cases)].compactMap { $0 }
  }

  private static func rules(_ areInside: (IntervalRule) -> [Bool]) -> [IntervalRule: [Bool]] {
    Dictionary(uniqueKeysWithValues: IntervalRule.allCases.map { ($0, areInside($0)) })
  }
}

extension CoverageRow.Case {
  fileprivate init(_ machine: String, _ isInside: Bool, _ rules: [IntervalRule: [Bool]], _ index: Int) {
    self.init(machine: machine, isInside: isInside, byRule: rules.mapValues { $0[index] })
  }
}
