// SPDX-License-Identifier: Apache-2.0
internal import Quantities

/// One line of the table that says how right the estimates are.
package struct AccuracyRow: Sendable, Equatable {
  package var engine: String
  package var deviceClass: String
  package var quantity: String
  package var count: Int
  package var machines: Int
  package var medianAbsoluteError: Double
  package var p90AbsoluteError: Double
  /// Share of the measurements inside the 90 % interval.
  package var intervalCoverage: Double
  /// Upper end over lower end of the 90 % intervals, the median.
  package var intervalWidth: Double
  /// The same for bandwidth / size × 0.55; nil for a quantity of which it says nothing.
  package var rule: Rule?

  package struct Rule: Sendable, Equatable {
    package var medianAbsoluteError: Double
    package var p90AbsoluteError: Double
  }

  /// One prediction and what was measured.
  package struct Case: Sendable {
    package var machine: String
    package var error: Double
    package var isInside: Bool
    /// Upper end over lower end of the interval.
    package var width: Double
    package var ruleError: Double?

    package init(machine: String, error: Double, isInside: Bool, width: Double, ruleError: Double? = nil) {
      self.machine = machine
      self.error = error
      self.isInside = isInside
      self.width = width
      self.ruleError = ruleError
    }
  }

  /// Nil without a case.
  package init?(engine: String, deviceClass: String, quantity: String, _ cases: [Case]) {
    guard !cases.isEmpty else { return nil }
    self.engine = engine
    self.deviceClass = deviceClass
    self.quantity = quantity
    count = cases.count
    machines = Set(cases.map(\.machine)).count
    medianAbsoluteError = Self.quantile(cases.map(\.error), 0.5)
    p90AbsoluteError = Self.quantile(cases.map(\.error), 0.9)
    intervalCoverage = Double(cases.count { $0.isInside }) / Double(cases.count)
    intervalWidth = Self.quantile(cases.map(\.width), 0.5)
    let ruleErrors = cases.compactMap(\.ruleError)
    rule =
      ruleErrors.isEmpty
      ? nil
      : Rule(
        medianAbsoluteError: Self.quantile(ruleErrors, 0.5), p90AbsoluteError: Self.quantile(ruleErrors, 0.9))
  }

  /// Between the two nearest ranks.
  package static func quantile(_ values: [Double], _ level: Double) -> Double {
    let sorted = values.sorted()
    guard let last = sorted.last else { return .nan }
    let position = level * Double(sorted.count - 1)
    let below = Int(position)
    guard below + 1 < sorted.count else { return last }
    return sorted[below] + (position - Double(below)) * (sorted[below + 1] - sorted[below])
  }
}

extension CrossValidation.Row {
  package var accuracyCase: AccuracyRow.Case {
    AccuracyRow.Case(
      machine: observation.machine, error: error, isInside: isInside, width: interval.width,
      ruleError: observation.rule.map { abs($0 / observation.rate - 1) })
  }
}
