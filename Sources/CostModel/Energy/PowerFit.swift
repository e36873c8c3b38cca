// SPDX-License-Identifier: Apache-2.0
internal import Quantities

/// A published power with what is needed to predict it.
package struct PowerObservation: Sendable {
  package var machine: String
  /// What the reading covers; figures are compared within one scope alone.
  package var scope: String
  package var engine: Engine
  package var label: String
  package var facts: PowerFacts
  /// Bytes and operations per second at the measured rate.
  package var bytes: Double
  package var operations: Double
  package var watts: Double
  package var tokensPerSecond: Double

  package init(
    machine: String, scope: String, engine: Engine, label: String, facts: PowerFacts, bytes: Double, operations: Double,
    watts: Double, tokensPerSecond: Double
  ) {
    self.machine = machine
    self.scope = scope
    self.engine = engine
    self.label = label
    self.facts = facts
    self.bytes = bytes
    self.operations = operations
    self.watts = watts
    self.tokensPerSecond = tokensPerSecond
  }
}

/// The coefficients that miss least: absolute relative errors, a machine with n figures weighing √n, none below zero.
package enum PowerFit {
  static let steps = 60
  /// Errors below this count by their square.
  static let smallError = 0.05

  package static func coefficients(_ observations: [PowerObservation]) -> PowerCoefficients {
    var counts: [String: Double] = [:]
    for observation in observations { counts[observation.machine, default: 0] += 1 }
    let rows = observations.map { observation in
      Row(
        terms: observation.facts.terms(bytes: observation.bytes, operations: observation.operations).map {
          $0 / observation.watts
        }, wanted: 1 - observation.facts.idleWatts / observation.watts,
        weight: 1 / (counts[observation.machine] ?? 1).squareRoot())
    }
    var values = PowerCoefficients.published.values
    for _ in 0..<steps { values = improved(values, rows) }
    return PowerCoefficients(values)
  }

  private struct Row {
    var terms: [Double]
    var wanted: Double
    var weight: Double

    func error(_ values: [Double]) -> Double { zip(terms, values).reduce(wanted) { $0 - $1.0 * $1.1 } }
  }

  /// One step of reweighted least squares over the coefficients that stay above zero.
  private static func improved(_ values: [Double], _ rows: [Row]) -> [Double] {
    var free = Array(values.indices)
    while true {
      var equations = NormalEquations(count: free.count)
      for row in rows {
        let weight = row.weight / max(smallError, abs(row.error(values)))
        equations.add(
          free.enumerated().map { (index: $0.offset, value: row.terms[$0.element]) }, weight: weight,
          error: -row.wanted)
      }
      guard let solution = equations.solution(damping: 1e-9) else { return values }
      var result = [Double](repeating: 0, count: values.count)
      for (position, index) in free.enumerated() { result[index] = max(0, solution[position]) }
      let negative = free.enumerated().filter { solution[$0.offset] < 0 }.map(\.element)
      if negative.isEmpty || negative.count == free.count { return result }
      free.removeAll(where: negative.contains)
    }
  }
}

/// Predicts every published power from coefficients that never saw its machine.
package struct PowerValidation: Sendable {
  package struct Row: Sendable {
    package var observation: PowerObservation
    package var watts: Double
    package var interval: ErrorInterval

    package var joulesPerToken: Double { watts / observation.tokensPerSecond }
  }

  /// Too few machines speak for any scope or engine: all powers are one class.
  static let marginClass = "power"

  package let coefficients: PowerCoefficients
  package let errors: ConformalErrors
  package let rows: [Row]

  package init(_ observations: [PowerObservation]) {
    coefficients = PowerFit.coefficients(observations)
    let machines = Set(observations.map(\.machine)).sorted()
    var fits: [String: PowerCoefficients] = [:]
    for machine in machines { fits[machine] = PowerFit.coefficients(observations.filter { $0.machine != machine }) }
    let watts = observations.map { observation in
      (fits[observation.machine] ?? .published).watts(
        observation.facts, bytes: observation.bytes, operations: observation.operations)
    }
    let errors = ConformalErrors(
      zip(observations, watts).map { observation, watts in
        ConformalErrors.Entry(
          group: observation.machine, classes: [Self.marginClass], error: Logarithm.natural(observation.watts / watts))
      })
    self.errors = errors
    var intervals: [String: ErrorInterval] = [:]
    for machine in machines {
      intervals[machine] = errors.margin([Self.marginClass], without: machine).map {
        ErrorInterval(low: 1 / $0, high: $0)
      }
    }
    rows = zip(observations, watts).map { observation, watts in
      Row(observation: observation, watts: watts, interval: intervals[observation.machine] ?? IntervalRule.unknown)
    }
  }
}

extension PowerValidation {
  /// Of each row whether the interval that a rule makes of the other machines' errors holds it.
  package func areInside(by rule: IntervalRule) -> [Bool] {
    var intervals: [String: ErrorInterval] = [:]
    return rows.map { row in
      let machine = row.observation.machine
      let interval = intervals[machine] ?? errors.interval([Self.marginClass], without: machine, by: rule)
      intervals[machine] = interval
      return interval.contains(measured: row.observation.watts, predicted: row.watts)
    }
  }
}

extension PowerValidation.Row {
  /// The rule beside it is 0.8 × power limit × time.
  package var accuracyCase: AccuracyRow.Case {
    AccuracyRow.Case(
      machine: observation.machine, error: abs(watts / observation.watts - 1),
      isInside: interval.contains(measured: observation.watts, predicted: watts), width: interval.width,
      ruleError: abs(0.8 * observation.facts.limitWatts / observation.watts - 1))
  }
}
