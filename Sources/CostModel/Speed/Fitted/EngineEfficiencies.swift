// SPDX-License-Identifier: Apache-2.0

/// The fitted coefficients of all engines, and how wrong they were on machines that the fit did not see.
package struct EngineEfficiencies: Sendable {
  package struct Group: Sendable {
    package var classes: ClassEfficiencies
    /// By class and kind of device; under the class without a name for classes that nobody measured.
    package var intervals: [IntervalKey: ErrorInterval]
    /// Machines and rows behind it.
    package var machines: Int
    package var rows: Int

    package init(
      classes: ClassEfficiencies, intervals: [IntervalKey: ErrorInterval], machines: Int, rows: Int
    ) {
      self.classes = classes
      self.intervals = intervals
      self.machines = machines
      self.rows = rows
    }

    /// Of measured over predicted rates, for a class on a kind of device.
    package func interval(
      _ classKey: String, _ kind: DeviceKind, _ quantity: SpeedObservation.Quantity
    ) -> ErrorInterval {
      // Where nobody measured several devices they take the interval of one.
      let kinds = kind == .gpus ? [kind, .gpu] : [kind]
      return kinds.lazy.flatMap { kind in [classKey, ""].map { IntervalKey($0, kind, quantity) } }
        .compactMap { intervals[$0] }.first ?? IntervalRule.unknown
    }
  }

  /// Which interval: a class may hold devices of several kinds.
  package struct IntervalKey: Hashable, Sendable {
    package var classKey: String
    package var kind: DeviceKind
    package var quantity: SpeedObservation.Quantity

    package init(_ classKey: String, _ kind: DeviceKind, _ quantity: SpeedObservation.Quantity) {
      self.classKey = classKey
      self.kind = kind
      self.quantity = quantity
    }
  }

  package var groups: [EngineGroup: Group]

  package init(groups: [EngineGroup: Group]) { self.groups = groups }

  /// Nothing is known of any engine's speed.
  package static let none = EngineEfficiencies(groups: [:])
}

extension EngineEfficiencies.Group {
  /// What a cross-validation found.
  package init(_ validation: CrossValidation) {
    let classes = validation.parameters.classes
    let fitted = validation.rows.filter(\.observation.isFitted)
    var intervals: [EngineEfficiencies.IntervalKey: ErrorInterval] = [:]
    let told = validation.rows.filter { $0.observation.setAside == nil }
    let kinds = DeviceKind.allCases.filter { kind in told.contains { $0.observation.kind == kind } }
    for quantity in SpeedObservation.Quantity.allCases
    where told.contains(where: { $0.observation.quantity == quantity }) {
      for (classKey, kind) in (classes + [""]).flatMap({ name in kinds.map { (name, $0) } }) {
        intervals[.init(classKey, kind, quantity)] = validation.errors.interval(classKey, kind, quantity)
      }
    }
    self.init(
      classes: validation.parameters.efficiencies, intervals: intervals,
      machines: Set(fitted.map(\.observation.machine)).count, rows: fitted.count)
  }
}
