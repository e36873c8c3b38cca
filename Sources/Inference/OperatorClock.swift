// SPDX-License-Identifier: Apache-2.0
package import CostModel
import Glibc

/// Seconds by operator.
package struct OperatorTimes: Sendable, Equatable {
  private var seconds: [PassOperator: Double] = [:]

  package init() {}

  package subscript(_ pass: PassOperator) -> Double {
    get { seconds[pass, default: 0] }
    set { seconds[pass] = newValue }
  }

  package var total: Double { seconds.values.reduce(0, +) }

  package mutating func add(_ other: OperatorTimes, scaledBy factor: Double = 1) {
    for (pass, time) in other.seconds { self[pass] += time * factor }
  }
}

/// Charges the time of the first thread to the operators of the forward pass.
///
/// The pass tells what it has just done (`lap`), so that no time falls between two operators; what happens inside of one
/// for another's account (`inside`) is taken from it, also one inside the other.
package final class OperatorClock: @unchecked Sendable {
  private let now: () -> Double
  private var times = OperatorTimes()
  /// Seconds charged so far, and how many at the last lap.
  private var charged = 0.0
  private var chargedBefore = 0.0
  private var lastLap: Double
  /// Seconds of each layer since the last call of `take`, and when the newest one ended.
  private var layers: [Double] = []
  private var lastLayer: Double

  /// - Parameter now: seconds of a clock that never goes back.
  package init(now: @escaping () -> Double = OperatorClock.monotonic) {
    self.now = now
    lastLap = now()
    lastLayer = lastLap
  }

  package static func monotonic() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }

  /// What was done since the last lap.
  package func lap(_ pass: PassOperator) {
    let time = now()
    charge(pass, time - lastLap - (charged - chargedBefore))
    lastLap = time
    chargedBefore = charged
  }

  /// Ends a layer, whose time runs from the end of the one before: nothing falls between two.
  package func endLayer() {
    let time = now()
    layers.append(time - lastLayer)
    lastLayer = time
  }

  /// Begins a part of an operator that another one is charged with.
  package func begin() -> Mark { Mark(time: now(), charged: charged) }

  package func end(_ pass: PassOperator, _ mark: Mark) {
    charge(pass, now() - mark.time - (charged - mark.charged))
  }

  package struct Mark {
    fileprivate let time: Double
    fileprivate let charged: Double
  }

  private func charge(_ pass: PassOperator, _ seconds: Double) {
    times[pass] += seconds
    charged += seconds
  }

  /// The times since the last call, by operator and by layer; the next lap and the next layer begin now.
  package func take() -> (operators: OperatorTimes, layers: [Double]) {
    let result = (times, layers)
    times = OperatorTimes()
    layers = []
    charged = 0
    chargedBefore = 0
    lastLap = now()
    lastLayer = lastLap
    return result
  }
}
