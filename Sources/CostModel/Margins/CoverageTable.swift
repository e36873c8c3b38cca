// SPDX-License-Identifier: Apache-2.0

/// How much of a class the 90 % intervals hold, how sure that share is, and what other rules would hold.
package struct CoverageRow: Sendable, Equatable {
  package var engine: String
  package var deviceClass: String
  package var quantity: String
  package var count: Int
  /// Measurements inside the intervals that estimates tell.
  package var coverage: Double
  /// Of `coverage`, by machines; nil with one machine, and where all lie inside or outside, which tells nothing of it.
  ///
  /// Rows of a machine are wrong together, so machines are what is drawn: the share is a ratio of sums over G of them, with
  /// variance G/(G − 1) · Σ (inside − share · rows)² / (Σ rows)².
  ///
  /// - Source: W. G. Cochran, Sampling Techniques, 3rd edition (1977), § 3.12, proportions in cluster sampling.
  package var standardError: Double?
  /// The share that each rule would hold; empty where no errors of others make the intervals.
  package var byRule: [IntervalRule: Double]
  /// In falling order of their rows outside.
  package var machines: [Machine]

  package struct Machine: Sendable, Equatable {
    package var name: String
    package var outside: Int
    package var count: Int
  }

  /// A measurement, whether its interval holds it, and whether those of the rules would.
  package struct Case: Sendable {
    package var machine: String
    package var isInside: Bool
    package var byRule: [IntervalRule: Bool]

    package init(machine: String, isInside: Bool, byRule: [IntervalRule: Bool]) {
      self.machine = machine
      self.isInside = isInside
      self.byRule = byRule
    }
  }

  /// What nine in ten may be off by.
  package static let wanted = 0.85...0.95

  /// Nil without a case.
  package init?(engine: String, deviceClass: String, quantity: String, _ cases: [Case]) {
    guard !cases.isEmpty else { return nil }
    self.engine = engine
    self.deviceClass = deviceClass
    self.quantity = quantity
    count = cases.count
    coverage = Self.share(cases) { $0.isInside }
    machines = Dictionary(grouping: cases, by: \.machine).map { name, own in
      Machine(name: name, outside: own.count { !$0.isInside }, count: own.count)
    }
    .sorted { ($1.outside, $0.name) < ($0.outside, $1.name) }
    byRule = [:]
    for rule in IntervalRule.allCases where cases.allSatisfy({ $0.byRule[rule] != nil }) {
      byRule[rule] = Self.share(cases) { $0.byRule[rule] == true }
    }
    standardError = Self.standardError(machines, of: coverage)
  }

  private static func share(_ cases: [Case], _ isInside: (Case) -> Bool) -> Double {
    Double(cases.count(where: isInside)) / Double(cases.count)
  }

  private static func standardError(_ machines: [Machine], of share: Double) -> Double? {
    guard machines.count > 1, share > 0, share < 1 else { return nil }
    let squares = machines.reduce(0) { sum, machine in
      let residual = Double(machine.count - machine.outside) - share * Double(machine.count)
      return sum + residual * residual
    }
    let (known, rows) = (Double(machines.count), Double(machines.reduce(0) { $0 + $1.count }))
    return (known / (known - 1) * squares).squareRoot() / rows
  }
}
