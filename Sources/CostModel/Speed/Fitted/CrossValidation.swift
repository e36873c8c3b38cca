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
  package init(_ group: EngineGroup, _ observations: [SpeedObservation]) {
    self.group = group
    let classes = Array(Set(observations.map(\.classKey))).sorted()
    let fit = SpeedFit(observations, classes: classes, prior: group.prior)
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
      zip(observations, predicted).map { observation, predicted in
        ErrorTable.Entry(
          machine: observation.machine, classKey: observation.classKey, quantity: observation.quantity,
          error: Logarithm.natural(observation.rate / predicted))
      })
    self.errors = errors
    rows = zip(observations, predicted).map { observation, predicted in
      Row(
        observation: observation, predicted: predicted,
        interval: errors.interval(observation.classKey, observation.quantity, without: observation.machine))
    }
  }
}

/// A central 90 % interval of the measured value as factors of the predicted one.
package struct ErrorInterval: Sendable, Equatable {
  package var low: Double
  package var high: Double

  package init(low: Double, high: Double) {
    self.low = low
    self.high = high
  }

  package func contains(measured: Double, predicted: Double) -> Bool {
    measured >= low * predicted && measured <= high * predicted
  }
}

/// Errors of predictions for machines that were left out, ln(measured / predicted).
package struct ErrorTable: Sendable {
  package struct Entry: Sendable {
    package var machine: String
    package var classKey: String
    package var quantity: SpeedObservation.Quantity
    package var error: Double
  }

  private let entries: [Entry]

  package init(_ entries: [Entry]) { self.entries = entries }

  /// A class speaks for itself from this many machines on; else its group does.
  static let enoughMachines = 5
  static let tail = 0.05
  static let caution = 1.0
  /// Where a group has no errors of a quantity: a factor of two either way.
  static let unknown = ErrorInterval(low: 0.5, high: 2)

  /// The interval that the errors on other machines suggest.
  package func interval(
    _ classKey: String, _ quantity: SpeedObservation.Quantity, without machine: String? = nil
  ) -> ErrorInterval {
    let others = entries.filter { $0.quantity == quantity && $0.machine != machine }
    let own = others.filter { $0.classKey == classKey }
    let chosen = Set(own.map(\.machine)).count >= Self.enoughMachines ? own : others
    guard !chosen.isEmpty else { return Self.unknown }
    // The next machine may stand beyond all that were seen: the fewer they are, the further out the ends.
    let tail = max(0, Self.tail - Self.caution / Double(Set(chosen.map(\.machine)).count))
    return ErrorInterval(
      low: Logarithm.exponential(Self.quantile(chosen, tail)),
      high: Logarithm.exponential(Self.quantile(chosen, 1 - tail)))
  }

  /// The quantile in which each machine weighs with the square root of its rows, so that one does not stand for all.
  static func quantile(_ entries: [Entry], _ level: Double) -> Double {
    var counts: [String: Double] = [:]
    for entry in entries { counts[entry.machine, default: 0] += 1 }
    let sorted = entries.sorted { ($0.error, $0.machine) < ($1.error, $1.machine) }
    let weights = sorted.map { 1 / (counts[$0.machine] ?? 1).squareRoot() }
    let wanted = level * weights.reduce(0, +)
    var sum = 0.0
    for (entry, weight) in zip(sorted, weights) {
      sum += weight
      if sum >= wanted { return entry.error }
    }
    return sorted.last?.error ?? 0
  }
}
