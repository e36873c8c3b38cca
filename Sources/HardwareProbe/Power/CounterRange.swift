// SPDX-License-Identifier: Apache-2.0

/// Where an energy counter starts again from zero, and how fast it can count at most.
struct CounterRange: Sendable, Equatable {
  /// Nil for a counter that is not known to wrap.
  var joules: Double?
  /// No more than this can have been used: decides how often it may have wrapped between two readings.
  var mostWatts: Double

  /// More than a processor package takes.
  static let usualMost = 1000.0

  init(joules: Double? = nil, mostWatts: Double = usualMost) {
    self.joules = joules
    self.mostWatts = mostWatts
  }

  struct Step: Equatable {
    var joules: Double
    var low: Double
    var high: Double
    var doubt: String?
  }

  /// Energy between two readings.
  ///
  /// The counter may have wrapped any number of times that `mostWatts` allows in the time: where that leaves one number
  /// it is known; where it leaves several the usual rate decides, and the interval holds all of them.
  /// - Parameter usual: watts of the step before.
  func step(from before: Double, to now: Double, seconds: Double, usual: Double?) -> Step {
    guard let joules, joules > 0, before <= joules else { return withoutWrap(from: before, to: now, seconds: seconds) }
    let least = now >= before ? now - before : max(0, joules - before + now)
    let room = ((mostWatts * seconds - least) / joules).rounded(.down)
    guard room >= 1, room.isFinite else { return Step(joules: least, low: least, high: least) }
    let likely = usual.map { (($0 * seconds - least) / joules).rounded() } ?? 0
    return Step(
      joules: least + min(room, max(0, likely)) * joules, low: least, high: least + room * joules,
      doubt: "the counter may have wrapped up to \(Int(min(room, 1e6))) times unseen between two readings")
  }

  /// A counter that does not wrap and runs backwards was reset.
  private func withoutWrap(from before: Double, to now: Double, seconds: Double) -> Step {
    if now >= before { return Step(joules: now - before, low: now - before, high: now - before) }
    return Step(
      joules: 0, low: 0, high: mostWatts * seconds, doubt: "the counter was reset, which lost what it had counted")
  }
}
