// SPDX-License-Identifier: Apache-2.0
package import JSONText
package import Quantities

/// Variants of one model, made, measured and judged side by side.
package struct Study: Sendable, Equatable {
  /// One variant, and what is known of it so far.
  package struct Entry: Sendable, Equatable {
    /// What people call it.
    package var label: String
    /// The variant's name; `original` is the model as given.
    package var variant: String
    /// Whether its groups are rounded to the nearest, as a method's counterpart.
    package var roundsToNearest: Bool
    /// Its file, inside the study's folder; empty for the model as given.
    package var file: String
    package var fileBytes: ByteCount?
    package var bitsPerWeight: Double?
    /// The answers of `measure` and `evaluate`.
    package var measurement: JSON?
    package var evaluation: JSON?
    /// Why there is nothing more to know of it here.
    package var refusal: String?

    package init(label: String, variant: String, file: String, roundsToNearest: Bool = false) {
      self.label = label
      self.variant = variant
      self.file = file
      self.roundsToNearest = roundsToNearest
    }

    package var isDone: Bool { refusal != nil || evaluation != nil && measurement != nil }
  }

  package var model: String
  package var machine: String
  package var date: String
  /// What the entries depend on; a folder holds a study of one such setting.
  package var settings: JSON
  package var entries: [Entry]

  package init(model: String, machine: String, date: String, settings: JSON, entries: [Entry]) {
    self.model = model
    self.machine = machine
    self.date = date
    self.settings = settings
    self.entries = entries
  }

  package var isComplete: Bool { entries.allSatisfy(\.isDone) }
}

extension Study.Entry {
  /// A figure of the evaluation by the keys that lead to it, with its standard error.
  package func judged(_ keys: String...) -> Estimate? {
    var json = evaluation
    for key in keys { json = json?[key] }
    guard let value = json?.doubleValue ?? json?["value"]?.doubleValue else { return nil }
    return Estimate(value, standardError: json?["standardError"]?.doubleValue)
  }

  package var tasks: [(name: String, score: Estimate)] {
    (evaluation?["tasks"]?.arrayValue ?? []).compactMap { task in
      guard let name = task["task"]?.stringValue else { return nil }
      let score = task["accNorm"]?["value"]?.doubleValue == nil ? task["acc"] : task["accNorm"]
      guard let value = score?["value"]?.doubleValue else { return nil }
      return (name, Estimate(value, standardError: score?["standardError"]?.doubleValue))
    }
  }

  /// Whether its perplexity differs from the reference's by less than twice the standard error of the difference.
  package var isWithinError: Bool? { evaluation?["divergence"]?["isWithinStandardError"]?.boolValue }

  /// A phase's median rate in tokens per second.
  package func rate(_ phase: String) -> Double? { measurement?[phase]?["tokensPerSecond"]?["median"]?.doubleValue }

  package var residentBytes: Double? { measurement?["peakResidentBytes"]?["value"]?.doubleValue }
  package var joulesPerToken: Double? { measurement?["energy"]?["value"]?.doubleValue }
}
