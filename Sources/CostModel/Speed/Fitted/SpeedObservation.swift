// SPDX-License-Identifier: Apache-2.0

/// One published speed, ready to be compared with the time model.
package struct SpeedObservation: Sendable {
  package enum Quantity: String, Sendable, CaseIterable {
    case decode, prefill
    /// Tokens of prompt and answer per second of the whole.
    case request
  }

  package var engine: Engine
  /// What must not be known when this is predicted.
  package var machine: String
  package var kind: DeviceKind
  /// The class whose coefficients apply, within its group of engines.
  package var classKey: String
  package var rates: DeviceRates
  package var quantity: Quantity
  /// The model, its variant and the tokens, for people.
  package var label: String
  /// The passes of the measurement and how often each ran.
  package var passes: [(work: PassWork, count: Double)]
  /// Tokens that the measured rate counts.
  package var tokens: Double
  /// Tokens per second.
  package var rate: Double
  /// What the rule of thumb says: 0.55 × bandwidth / stored bytes; nil where it says nothing.
  package var rule: Double?
  /// Why nothing is fitted to it, though it is predicted like all others.
  package var setAside: String?
  /// The equal devices that shared the model; nil for one place. Nothing is fitted to what several did.
  package var group: DeviceGroup?

  package var isFitted: Bool { setAside == nil && group == nil }

  package init(
    engine: Engine, machine: String, kind: DeviceKind, classKey: String, rates: DeviceRates, quantity: Quantity,
    label: String, passes: [(work: PassWork, count: Double)], tokens: Double, rate: Double, rule: Double?,
    setAside: String? = nil, group: DeviceGroup? = nil
  ) {
    self.engine = engine
    self.machine = machine
    self.kind = kind
    self.classKey = classKey
    self.rates = rates
    self.quantity = quantity
    self.label = label
    self.passes = passes
    self.tokens = tokens
    self.rate = rate
    self.rule = rule
    self.setAside = setAside
    self.group = group
  }

  /// Tokens per second by the time model.
  package func predicted(_ efficiency: Efficiency) -> Double {
    tokens / passes.reduce(0) { $0 + $1.count * efficiency.terms($1.work, on: rates, sharedBy: group).total }
  }
}

/// Where a model computes, as tables of errors tell devices apart.
package enum DeviceKind: String, Sendable, CaseIterable {
  case gpu
  case gpus = "several GPUs"
  case unified = "unified memory"
  case processor
}
