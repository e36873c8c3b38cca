// SPDX-License-Identifier: Apache-2.0
package import Quantities

/// How long one pass takes, and what for.
package struct PhaseTime: Sendable, Equatable {
  /// Products with weights, in seconds.
  package var weights = 0.0
  /// Of these, what the bytes alone would take at the memory's full bandwidth.
  package var weightTransfer = 0.0
  package var attention = 0.0
  /// Of this, what reading the cache takes.
  package var attentionTransfer = 0.0
  package var elementwise = 0.0
  /// Starting and joining jobs, launching kernels.
  package var overhead = 0.0
  /// Exchanges between the places that share the model.
  package var transfer = 0.0
  /// Of all this, what the processor takes where devices do the rest.
  package var onProcessor = 0.0
  /// Half the width of the central 80 % interval of a calibrated time, as a fraction.
  package var uncertainty = 0.0 {
    didSet { range = (1 / (1 + uncertainty), 1 + uncertainty) }
  }
  /// The ends of the interval as factors of the time: 80 % of calibrated, 90 % of fitted times.
  package var range: (low: Double, high: Double) = (1, 1)

  package init() {}

  package static func == (left: PhaseTime, right: PhaseTime) -> Bool {
    left.terms == right.terms && left.range == right.range
  }

  private var terms: [Double] {
    [weights, weightTransfer, attention, attentionTransfer, elementwise, overhead, transfer, onProcessor]
  }

  package var total: Double { weights + attention + elementwise + overhead + transfer }

  /// The same work at another pace.
  func scaled(by factor: Double) -> PhaseTime {
    var time = self
    let parts: [WritableKeyPath<PhaseTime, Double>] = [
      \.weights, \.weightTransfer, \.attention, \.attentionTransfer, \.elementwise, \.overhead, \.transfer,
      \.onProcessor,
    ]
    for part in parts { time[keyPath: part] *= factor }
    return time
  }

  /// What takes most of the time; attention counts to what its own bytes or operations ask for.
  package var bound: Bound {
    if transfer > total / 2 { return .transfer }
    if overhead + elementwise > total / 2 { return .overhead }
    return weightTransfer + attentionTransfer >= (weights + attention) / 2 ? .memory : .compute
  }

  /// Two parts of a pass, one after the other; the ends of their intervals go together.
  package static func + (left: PhaseTime, right: PhaseTime) -> PhaseTime {
    var sum = left
    sum.weights += right.weights
    sum.weightTransfer += right.weightTransfer
    sum.attention += right.attention
    sum.attentionTransfer += right.attentionTransfer
    sum.elementwise += right.elementwise
    sum.overhead += right.overhead
    sum.transfer += right.transfer
    sum.onProcessor += right.onProcessor
    let (a, b) = (left.total, right.total)
    let all = max(a + b, .leastNormalMagnitude)
    sum.range = (
      (a * left.range.low + b * right.range.low) / all, (a * left.range.high + b * right.range.high) / all
    )
    return sum
  }
}

/// Tells how long passes take on one machine with one engine.
package protocol SpeedModel: Sendable {
  var basis: Basis { get }
  /// Where the constants come from, for the answer.
  var source: String { get }
  /// One decode step of all sequences.
  ///
  /// - Throws: `NoSpeed` when a rate is not known.
  func decodeStep(_ work: VariantWork, _ model: ModelWork) throws(NoSpeed) -> PhaseTime
  /// The whole prompt of one sequence.
  func prefill(_ work: VariantWork, _ model: ModelWork) throws(NoSpeed) -> PhaseTime
}

/// Why no speed can be told; becomes an unknown quantity with this reason.
package struct NoSpeed: Error, Equatable {
  package var reason: String
  package init(_ reason: String) { self.reason = reason }
}
