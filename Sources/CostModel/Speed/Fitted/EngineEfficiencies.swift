// SPDX-License-Identifier: Apache-2.0

/// The fitted coefficients of all engines, and how wrong they were on machines that the fit did not see.
package struct EngineEfficiencies: Sendable {
  package struct Group: Sendable {
    package var classes: ClassEfficiencies
    /// By class and, under the empty name, for the whole group.
    package var intervals: [String: [SpeedObservation.Quantity: ErrorInterval]]
    /// Machines and rows behind it.
    package var machines: Int
    package var rows: Int

    package init(
      classes: ClassEfficiencies, intervals: [String: [SpeedObservation.Quantity: ErrorInterval]], machines: Int,
      rows: Int
    ) {
      self.classes = classes
      self.intervals = intervals
      self.machines = machines
      self.rows = rows
    }

    func interval(_ classKey: String, _ quantity: SpeedObservation.Quantity) -> ErrorInterval {
      intervals[classKey]?[quantity] ?? intervals[""]?[quantity] ?? ErrorTable.unknown
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
    var intervals: [String: [SpeedObservation.Quantity: ErrorInterval]] = [:]
    for classKey in classes + [""] {
      for quantity in SpeedObservation.Quantity.allCases
      where fitted.contains(where: { $0.observation.quantity == quantity }) {
        intervals[classKey, default: [:]][quantity] = validation.errors.interval(classKey, quantity)
      }
    }
    self.init(
      classes: validation.parameters.efficiencies, intervals: intervals,
      machines: Set(fitted.map(\.observation.machine)).count, rows: fitted.count)
  }
}
