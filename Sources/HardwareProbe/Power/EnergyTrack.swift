// SPDX-License-Identifier: Apache-2.0

/// What one meter told over time: energy since its first reading, between the bounds that its readings leave.
///
/// Seconds are those of one clock, joules grow from 0. Readings of power are joined by straight lines; between two of them
/// the energy lies between the smaller and the larger power times the time.
package struct EnergyTrack: Sendable, Equatable {
  /// A stretch of time in the clock's seconds.
  package struct Window: Sendable, Equatable {
    package var start: Double
    package var end: Double
    package init(start: Double, end: Double) { (self.start, self.end) = (start, end) }
    package var seconds: Double { max(0, end - start) }
  }

  struct Point: Sendable, Equatable {
    var seconds: Double
    var joules = 0.0
    var low = 0.0
    var high = 0.0
  }

  private(set) var points: [Point] = []
  /// Why it told nothing more; nil while it lives.
  var ending: String?
  /// What makes its figures less certain.
  private(set) var doubts: [String] = []
  private var last: EnergySource.Reading?
  private var watts: (least: Double, most: Double)?
  private var lastRate: Double?

  package static func == (left: EnergyTrack, right: EnergyTrack) -> Bool {
    left.points == right.points && left.ending == right.ending && left.doubts == right.doubts
  }

  /// Whether any energy was told; a counter that stands still tells none.
  var hasMoved: Bool { (points.last?.high ?? 0) > 0 }
  var end: Double? { points.last?.seconds }

  /// Adds a reading; one that is not later than the last, or of another kind, changes nothing.
  mutating func add(_ reading: EnergySource.Reading, at seconds: Double, counter: CounterRange) {
    guard let point = points.last, let last else {
      points.append(Point(seconds: seconds))
      if case .watts(let value) = reading { watts = (value, value) }
      self.last = reading
      return
    }
    let passed = seconds - point.seconds
    guard passed > 0 else { return }
    switch (last, reading) {
    case (.watts(let before), .watts(let now)):
      let (least, most) = (min(before, now), max(before, now))
      append(after: point, at: seconds, (least + most) / 2 * passed, least * passed, most * passed)
      watts = watts.map { (min($0.least, now), max($0.most, now)) }
    case (.joules(let before), .joules(let now)):
      let step = counter.step(from: before, to: now, seconds: passed, usual: lastRate)
      append(after: point, at: seconds, step.joules, step.low, step.high)
      lastRate = step.joules / passed
      if let doubt = step.doubt, !doubts.contains(doubt) { doubts.append(doubt) }
    default: return
    }
    self.last = reading
  }

  private mutating func append(after point: Point, at seconds: Double, _ joules: Double, _ low: Double, _ high: Double)
  {
    points.append(
      Point(seconds: seconds, joules: point.joules + joules, low: point.low + low, high: point.high + high))
  }

  /// Mean power over the covered part of the windows; nil when no reading covers any of it.
  ///
  /// - Parameters:
  ///   - refresh: seconds by which a reading may be older than it seems: it blurs both ends of every window.
  ///   - accuracy: of the instrument, relative.
  func meanPower(in windows: [Window], refresh: Double, accuracy: Double) -> MeanPower? {
    let parts = windows.compactMap { energy(in: $0, refresh: refresh) }
    let seconds = parts.reduce(0) { $0 + $1.seconds }
    let asked = windows.reduce(0) { $0 + $1.seconds }
    guard seconds > 0, asked > 0 else { return nil }
    let blur = parts.reduce(0) { $0 + $1.blur * $1.blur }.squareRoot()
    let (low, high) = (parts.reduce(0) { $0 + $1.low } - blur, parts.reduce(0) { $0 + $1.high } + blur)
    return MeanPower(
      watts: parts.reduce(0) { $0 + $1.joules } / seconds, low: max(0, low / seconds) * (1 - accuracy),
      high: high / seconds * (1 + accuracy), coverage: min(1, seconds / asked))
  }

  private struct Part {
    var seconds: Double
    var joules: Double
    var low: Double
    var high: Double
    /// Joules by which the ends of the window may be wrong.
    var blur: Double
  }

  private func energy(in window: Window, refresh: Double) -> Part? {
    guard let first = points.first, let last = points.last else { return nil }
    let (start, end) = (max(window.start, first.seconds), min(window.end, last.seconds))
    guard end > start else { return nil }
    let (before, after) = (at(start), at(end))
    let joules = after.point.joules - before.point.joules
    // A stale counter misses what was used since; a stale power is that of another moment.
    let wattsAstray = watts.map { $0.most - $0.least } ?? joules / (end - start)
    let ends = [before.gap, after.gap].map { max(refresh, $0) * wattsAstray }
    return Part(
      seconds: end - start, joules: joules, low: after.point.low - before.point.low,
      high: after.point.high - before.point.high, blur: (ends[0] * ends[0] + ends[1] * ends[1]).squareRoot())
  }

  /// The track at a moment inside it, and how far the nearest reading is away.
  private func at(_ seconds: Double) -> (point: Point, gap: Double) {
    var (low, high) = (0, points.count - 1)
    while high - low > 1 {
      let middle = (low + high) / 2
      if points[middle].seconds <= seconds { low = middle } else { high = middle }
    }
    let (left, right) = (points[low], points[high])
    let share = right.seconds > left.seconds ? (seconds - left.seconds) / (right.seconds - left.seconds) : 0
    func mix(_ from: Double, _ to: Double) -> Double { from + (to - from) * share }
    return (
      Point(
        seconds: seconds, joules: mix(left.joules, right.joules), low: mix(left.low, right.low),
        high: mix(left.high, right.high)),
      min(seconds - left.seconds, right.seconds - seconds)
    )
  }
}

/// Power over some time, with its interval.
package struct MeanPower: Sendable, Equatable {
  package var watts: Double
  package var low: Double
  package var high: Double
  /// Share of the time that the readings cover.
  package var coverage: Double

  package init(watts: Double, low: Double, high: Double, coverage: Double = 1) {
    self.watts = watts
    self.low = low
    self.high = high
    self.coverage = coverage
  }

  /// Two parts of a machine together.
  static func + (left: MeanPower, right: MeanPower) -> MeanPower {
    MeanPower(
      watts: left.watts + right.watts, low: left.low + right.low, high: left.high + right.high,
      coverage: min(left.coverage, right.coverage))
  }
}
