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
    var intervals: [IntervalKey: ErrorInterval] = [:]
    rows = zip(observations, predicted).map { observation, predicted in
      let key = IntervalKey(
        machine: observation.machine, classKey: observation.classKey, kind: observation.kind,
        quantity: observation.quantity)
      let interval =
        intervals[key] ?? errors.interval(key.classKey, key.kind, key.quantity, without: key.machine)
      intervals[key] = interval
      return Row(observation: observation, predicted: predicted, interval: interval)
    }
  }

  private struct IntervalKey: Hashable {
    var machine: String
    var classKey: String
    var kind: DeviceKind
    var quantity: SpeedObservation.Quantity
  }
}
