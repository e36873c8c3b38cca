// SPDX-License-Identifier: Apache-2.0
internal import Quantities

/// Fits the coefficients of a group of engines to published speeds: maximum a posteriori with a heavy-tailed error, by damped
/// Gauss-Newton steps.
package struct SpeedFit: Sendable {
  static let stepLimit = 0.7
  static let damping = 1e-3

  private let start: SpeedParameters
  private let spreads: [Double]
  private let observations: [SpeedObservation]
  private let weights: [Double]
  private let scale: Double

  package init(_ observations: [SpeedObservation], classes: [String], prior: SpeedPrior) {
    self.observations = observations
    start = .start(classes: classes, prior: prior)
    scale = prior.scale
    spreads = prior.spreads(classes: classes.count)
    var counts: [String: Double] = [:]
    for observation in observations { counts[observation.machine, default: 0] += 1 }
    let raw = observations.map { Logarithm.exponential(-prior.crowding * Logarithm.natural(counts[$0.machine] ?? 1)) }
    let mean = max(raw.reduce(0, +) / Double(max(1, raw.count)), .leastNormalMagnitude)
    weights = raw.map { $0 / mean }
  }

  /// The coefficients for all machines but one.
  ///
  /// - Parameters:
  ///   - machine: the one that must not be known; nil keeps all.
  ///   - warmStart: coefficients to start from, such as those of all machines.
  package func parameters(without machine: String? = nil, from warmStart: SpeedParameters? = nil, steps: Int = 40)
    -> SpeedParameters
  {
    let kept = observations.indices.filter { observations[$0].machine != machine }
    var best = warmStart ?? start
    var damping = Self.damping
    var objective = self.objective(best, kept)
    for _ in 0..<steps {
      var system = NormalEquations(count: best.count)
      let efficiencies = best.efficiencies
      for index in kept { add(observations[index], weights[index], best, efficiencies, to: &system) }
      for index in 0..<best.count {
        let precision = 1 / (spreads[index] * spreads[index])
        system.add(index, precision: precision, gradient: precision * (best.values[index] - start.values[index]))
      }
      guard let next = improved(best, objective, &damping, system, kept) else { break }
      let gain = objective - next.objective
      (best, objective) = (next.parameters, next.objective)
      if gain < 1e-5 * abs(objective) { break }
    }
    return best
  }

  /// A step that lowers the objective, with more damping while it does not.
  private func improved(
    _ from: SpeedParameters, _ objective: Double, _ damping: inout Double, _ system: NormalEquations, _ kept: [Int]
  ) -> (parameters: SpeedParameters, objective: Double)? {
    for _ in 0..<6 {
      if let step = system.solution(damping: damping) {
        var next = from
        for index in next.values.indices {
          next.values[index] += min(Self.stepLimit, max(-Self.stepLimit, step[index]))
        }
        let value = self.objective(next, kept)
        if value < objective {
          damping = max(damping / 10, 1e-6)
          return (next, value)
        }
      }
      damping *= 10
    }
    return nil
  }

  private func objective(_ parameters: SpeedParameters, _ kept: [Int]) -> Double {
    let efficiencies = parameters.efficiencies
    var sum = 0.0
    for index in kept {
      let observation = observations[index]
      let predicted = observation.predicted(efficiencies[observation.classKey])
      let error = Logarithm.natural(predicted / observation.rate) / scale
      sum += weights[index] * Logarithm.natural(1 + error * error)
    }
    for index in 0..<parameters.count {
      let distance = (parameters.values[index] - start.values[index]) / spreads[index]
      sum += distance * distance
    }
    return sum
  }

  /// One row of the linearised problem: the logarithm of the predicted rate and its derivatives.
  private func add(
    _ observation: SpeedObservation, _ weight: Double, _ parameters: SpeedParameters,
    _ efficiencies: ClassEfficiencies, to system: inout NormalEquations
  ) {
    let efficiency = efficiencies[observation.classKey]
    var gradient = SpeedGradient(parameters, observation.classKey)
    for pass in observation.passes { gradient.add(pass.work, count: pass.count, efficiency, observation.rates) }
    let error = Logarithm.natural(observation.tokens / gradient.seconds / observation.rate) / scale
    let robust = weight / (1 + error * error)
    system.add(
      gradient.derivatives.map { ($0.index, -$0.value / gradient.seconds / scale) }, weight: robust, error: error)
  }
}
