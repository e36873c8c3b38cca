// SPDX-License-Identifier: Apache-2.0
internal import Quantities

/// Predicts every published speed from coefficients that never saw its machine.
package struct CrossValidation: Sendable {
  package struct Row: Sendable {
    package var observation: SpeedObservation
    /// Tokens per second.
    package var predicted: Double
    /// The 90 % interval, from the errors on the other machines alone.
    package var interval: ErrorInterval

    package var error: Double { abs(predicted / observation.rate - 1) }
    package var isInside: Bool { interval.contains(measured: observation.rate, predicted: predicted) }
  }

  package let group: EngineGroup
  package let parameters: SpeedParameters
  package let rows: [Row]
  package let errors: ErrorTable

  /// Refits the group once per machine without it, from the coefficients of all.
  ///
  /// - Parameter term: a part of the model that is taken away.
  package init(_ group: EngineGroup, _ observations: [SpeedObservation], without term: SpeedTerm? = nil) {
    self.group = group
    let classes = Array(Set(observations.filter { $0.group == nil }.map(\.classKey))).sorted()
    let fit = SpeedFit(
      observations.filter(\.isFitted), classes: classes,
      prior: term.map(group.prior.without) ?? group.prior)
    let all = fit.parameters()
    parameters = all
    var predicted = [Double](repeating: 0, count: observations.count)
    for machine in Set(observations.map(\.machine)).sorted() {
      let efficiencies = fit.parameters(without: machine, from: all, steps: 6).efficiencies
      for index in observations.indices where observations[index].machine == machine {
        predicted[index] = observations[index].predicted(efficiencies[observations[index].classKey])
      }
    }
    let errors = ErrorTable(
      zip(observations, predicted).filter { $0.0.setAside == nil }.map { observation, predicted in
        ErrorTable.Entry(
          machine: observation.machine, classKey: observation.classKey, kind: observation.kind,
          quantity: observation.quantity, error: Logarithm.natural(observation.rate / predicted))
      })
    self.errors = errors
    let intervals = errors.intervals(observations, by: .machines)
    rows = observations.indices.map {
      Row(observation: observations[$0], predicted: predicted[$0], interval: intervals[$0])
    }
  }

  /// Of each row whether the interval that a rule makes of the other machines' errors holds it.
  package func areInside(by rule: IntervalRule) -> [Bool] {
    zip(rows, errors.intervals(rows.map(\.observation), by: rule)).map { row, interval in
      interval.contains(measured: row.observation.rate, predicted: row.predicted)
    }
  }
}

extension ErrorTable {
  private struct IntervalKey: Hashable {
    var machine: String
    var classKey: String
    var kind: DeviceKind
    var quantity: SpeedObservation.Quantity
  }

  /// Of each observation the interval that the errors on other machines make.
  fileprivate func intervals(_ observations: [SpeedObservation], by rule: IntervalRule) -> [ErrorInterval] {
    var intervals: [IntervalKey: ErrorInterval] = [:]
    return observations.map { observation in
      let key = IntervalKey(
        machine: observation.machine, classKey: observation.classKey, kind: observation.kind,
        quantity: observation.quantity)
      let interval =
        intervals[key] ?? interval(key.classKey, key.kind, key.quantity, without: key.machine, by: rule)
      intervals[key] = interval
      return interval
    }
  }
}
