// SPDX-License-Identifier: Apache-2.0

/// How far published figures lay from their predictions: factors either way that hold nine in ten.
package struct ErrorMargins: Sendable, Equatable {
  /// Of foreign engines' memory, by component, and by engine and component where enough models tell.
  package var memory: [String: Double]
  /// Of the power while working; nil where no figures are at hand.
  package var power: Double?

  package init(memory: [String: Double], power: Double?) {
    self.memory = memory
    self.power = power
  }

  /// Nothing is known beyond what the rules themselves leave open.
  package static let none = ErrorMargins(memory: [:], power: nil)

  package init(_ memory: MemoryValidation, _ power: PowerValidation) {
    self.init(memory: memory.errors.margins, power: power.errors.margin([PowerValidation.marginClass]))
  }

  /// What the memory of an engine is widened to; the built-in runtime's plan is exact.
  package func memory(of engine: Engine) -> MemoryMargins {
    guard engine != .anprobe else { return .none }
    func factor(_ component: MemoryObservation.Component) -> Double {
      component.marginClasses(engine).lazy.compactMap { memory[$0] }.first ?? 1
    }
    return MemoryMargins(
      weights: factor(.weights), cache: factor(.cache),
      compute: factor([.vllm, .sglang, .tensorRT].contains(engine) ? .activations : .compute), total: factor(.total))
  }
}

/// Factors either way for the sums of one engine's memory; one leaves the interval of its rules.
package struct MemoryMargins: Sendable, Equatable {
  package var weights = 1.0
  package var cache = 1.0
  package var compute = 1.0
  package var total = 1.0

  package static let none = MemoryMargins()

  static let source = "the engine's rules; 90 % interval from published figures of models"
}

extension MemoryObservation.Component {
  /// Too few figures tell of activations and of the room: they take the margins of compute buffers and of totals, to which
  /// they add nothing.
  var kindred: MemoryObservation.Component {
    switch self {
    case .activations: .compute
    case .room: .total
    default: self
    }
  }

  /// The classes of errors of one engine's component, the narrowest first.
  func marginClasses(_ engine: Engine) -> [String] {
    ["\(engine.rawValue) \(kindred.rawValue)", kindred.rawValue]
  }
}

/// Predicts every published memory figure, each with the margin that the other models' figures call for.
package struct MemoryValidation: Sendable {
  package let errors: ConformalErrors
  package let cases: [(observation: MemoryObservation, accuracy: AccuracyRow.Case)]

  package init(_ observations: [MemoryObservation]) {
    let errors = ConformalErrors(
      observations.filter { $0.component == $0.component.kindred }.compactMap(\.marginEntry))
    self.errors = errors
    cases = observations.compactMap { observation in
      let classes = observation.component.marginClasses(observation.engine)
      let margin = errors.margin(classes, without: observation.model) ?? 1
      return observation.accuracyCase(margin: margin).map { (observation, $0) }
    }
  }

  /// Of each case whether the interval that a rule makes of the other models' errors holds it.
  package func areInside(by rule: IntervalRule) -> [Bool] {
    var intervals: [[String]: ErrorInterval] = [:]
    return cases.map { observation, _ in
      let classes = observation.component.marginClasses(observation.engine)
      let key = classes + [observation.model]
      let interval = intervals[key] ?? errors.interval(classes, without: observation.model, by: rule)
      intervals[key] = interval
      return observation.isInside(interval)
    }
  }
}
