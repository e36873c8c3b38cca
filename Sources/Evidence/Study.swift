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
    /// What single weights are ranked by, where another than the default.
    package var pruneBy: String?
    /// Its file, inside the study's folder; empty for the model as given.
    package var file: String
    /// An adapter beside it in the same folder.
    package var adapter: String?
    /// What is trained on the way; nil where nothing is.
    package var training: Training?
    package var fileBytes: ByteCount?
    package var bitsPerWeight: Double?
    /// The answers of `measure` and `evaluate`.
    package var measurement: JSON?
    /// Energy per token by the cost model, for where no sensor says it.
    package var estimatedEnergy: JSON?
    package var evaluation: JSON?
    /// Why there is nothing more to know of it here.
    package var refusal: String?

    package init(
      label: String, variant: String, file: String, adapter: String? = nil, training: Training? = nil,
      roundsToNearest: Bool = false, pruneBy: String? = nil
    ) {
      self.label = label
      self.variant = variant
      self.file = file
      self.adapter = adapter
      self.training = training
      self.roundsToNearest = roundsToNearest
      self.pruneBy = pruneBy
    }

    package var isDone: Bool { refusal != nil || evaluation != nil && measurement != nil }
  }

  /// The training among an entry's steps.
  package struct Training: Sendable, Equatable {
    package var seed: UInt64
    /// Whether a student learns from the model's distributions besides the text.
    package var hasTeacher: Bool
    /// The answer of `train`, once there is one.
    package var record: JSON?

    package init(seed: UInt64, hasTeacher: Bool = false, record: JSON? = nil) {
      self.seed = seed
      self.hasTeacher = hasTeacher
      self.record = record
    }
  }

  package var model: String
  package var machine: String
  package var date: String
  /// What the entries depend on; a folder holds a study of one such setting.
  package var settings: JSON
  package var entries: [Entry]
  /// What the user says of it, such as where the texts come from.
  package var note: String?

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
  package var measuredJoules: Double? { measurement?["energy"]?["value"]?.doubleValue }
  package var estimatedJoules: Double? { estimatedEnergy?["value"]?.doubleValue }
  package var perplexity: Double? { judged("text", "perplexity")?.value }
}
