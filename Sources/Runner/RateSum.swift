// SPDX-License-Identifier: Apache-2.0

/// What was done in how long, all tries together: a state of the machine counts for as long as it lasted.
struct RateSum {
  private var amount = 0.0
  private var seconds = 0.0

  /// Per second; nil before the first try.
  var rate: Double? { seconds > 0 ? amount / seconds : nil }

  mutating func add(_ body: () -> Double) {
    var done = 0.0
    seconds += Timing.seconds { done = body() }
    amount += done
  }
}
