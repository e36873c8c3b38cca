// SPDX-License-Identifier: Apache-2.0
internal import Quantities

/// Errors of predictions, and the margins that they call for.
///
/// A margin is a conformal quantile: of n errors |ln(measured / predicted)| the ⌈0.9·(n + 1)⌉-th smallest. Where errors are
/// exchangeable, the next one lies inside in nine of ten cases, whatever their shape.
package struct ConformalErrors: Sendable {
  package struct Entry: Sendable, MachineError {
    /// The model or machine that is left out together.
    package var group: String
    /// What it belongs to, the narrowest class first; the last is the one that it falls back to.
    package var classes: [String]
    /// ln(measured / predicted).
    package var error: Double

    package init(group: String, classes: [String], error: Double) {
      self.group = group
      self.classes = classes
      self.error = error
    }

    var machine: String { group }
  }

  private let entries: [Entry]

  package init(_ entries: [Entry]) { self.entries = entries.filter { $0.error.isFinite } }

  /// Measured over predicted, either way. Nil without any error.
  package func margin(_ classes: [String], without group: String? = nil) -> Double? {
    Self.quantile(others(classes, without: group).map(\.error)).map(Logarithm.exponential)
  }

  /// What another rule makes of the same errors.
  package func interval(_ classes: [String], without group: String, by rule: IntervalRule) -> ErrorInterval {
    rule.interval(of: others(classes, without: group).sorted { ($0.error, $0.group) < ($1.error, $1.group) })
  }

  /// Errors of the first class that enough other groups speak for, else of the last.
  private func others(_ classes: [String], without group: String?) -> [Entry] {
    let others = entries.filter { $0.group != group }
    for name in classes {
      let own = others.filter { $0.classes.contains(name) }
      if name == classes.last || Set(own.map(\.group)).count >= ErrorTable.enoughMachines { return own }
    }
    return []
  }

  /// The margins of all classes that speak for themselves, and of those that others fall back to.
  package var margins: [String: Double] {
    var margins: [String: Double] = [:]
    for classes in Set(entries.map(\.classes)) {
      for name in classes where margins[name] == nil {
        let groups = Set(entries.filter { $0.classes.contains(name) }.map(\.group)).count
        guard name == classes.last || groups >= ErrorTable.enoughMachines else { continue }
        margins[name] = margin([name])
      }
    }
    return margins
  }

  /// The largest where there are too few for the rank; nil without any.
  package static func quantile(_ errors: [Double]) -> Double? {
    let sizes = errors.map(abs).sorted()
    let rank = (9 * (sizes.count + 1) + 9) / 10
    return sizes.isEmpty ? nil : sizes[min(rank, sizes.count) - 1]
  }
}
