// SPDX-License-Identifier: Apache-2.0
internal import Quantities

/// A reason to doubt what was measured between two readings.
package enum LoadDoubt: Sendable, Equatable {
  /// Other processes used so many processors on average.
  case othersBusy(processors: Double)
  /// Tasks waited for a processor in this part of the time (0...1).
  case processorWaits(fraction: Double)
  /// Tasks waited for memory in this part of the time (0...1).
  case memoryWaits(fraction: Double)
  /// The hypervisor gave this part of the processors' time (0...1) to other guests.
  case timeStolen(fraction: Double)
  /// The processor slowed down so many times because it was too hot.
  case throttled(events: Int)

  /// A stable word for programs.
  package var kind: String {
    switch self {
    case .othersBusy: "others_busy"
    case .processorWaits: "processor_waits"
    case .memoryWaits: "memory_waits"
    case .timeStolen: "time_stolen"
    case .throttled: "throttled"
    }
  }

  /// What was seen and what to do about it.
  package var message: String {
    switch self {
    case .othersBusy(let processors):
      "Other processes used \(QuantityFormat.threeDigits(processors)) processors meanwhile; stop them and measure again."
    case .processorWaits(let fraction):
      "Tasks waited for a processor in \(QuantityFormat.threeDigits(fraction * 100)) % of the time; use fewer threads or stop other work."
    case .memoryWaits(let fraction):
      "Tasks waited for memory in \(QuantityFormat.threeDigits(fraction * 100)) % of the time; free memory and measure again."
    case .timeStolen(let fraction):
      "The hypervisor took \(QuantityFormat.threeDigits(fraction * 100)) % of the processor time; measure again when the host is quieter."
    case .throttled(let events):
      "The processor throttled \(events) times; let it cool, or take the result as that of a warm machine."
    }
  }
}

extension LoadReading {
  /// Shares below these do not show in a median of five samples that scatter by one or two per cent; each is our choice,
  /// about half of what a person would call a disturbed measurement.
  private enum Threshold {
    static let otherProcessors = 0.1
    static let waits = 0.05
    static let stolen = 0.01
    /// The kernel counts in ticks of 1/100 s: each PU's share may be one too many at either end.
    static let tick = 0.02
  }

  /// Doubts about what was measured between two readings, the later one last; none when no time passed.
  package static func doubts(between before: LoadReading, and after: LoadReading) -> [LoadDoubt] {
    let elapsed = after.time.seconds - before.time.seconds
    guard elapsed > 0 else { return [] }
    func growth(_ key: KeyPath<LoadReading, Seconds?>) -> Double? {
      guard let first = before[keyPath: key]?.seconds, let last = after[keyPath: key]?.seconds else { return nil }
      return max(0, last - first)
    }
    var doubts: [LoadDoubt] = []
    if let busy = growth(\.busy), let own = growth(\.own) {
      let others = (busy - own - Threshold.tick * Double(after.processingUnitCount ?? 1)) / elapsed
      if others > Threshold.otherProcessors { doubts.append(.othersBusy(processors: others)) }
    }
    if let waits = growth(\.processorPressure).map({ min(1, $0 / elapsed) }), waits > Threshold.waits {
      doubts.append(.processorWaits(fraction: waits))
    }
    if let waits = growth(\.memoryPressure).map({ min(1, $0 / elapsed) }), waits > Threshold.waits {
      doubts.append(.memoryWaits(fraction: waits))
    }
    if let stolen = growth(\.stolen), let units = after.processingUnitCount, units > 0 {
      let fraction = min(1, (stolen / Double(units) - Threshold.tick) / elapsed)
      if fraction > Threshold.stolen { doubts.append(.timeStolen(fraction: fraction)) }
    }
    if let first = before.throttleEvents, let last = after.throttleEvents, last > first {
      doubts.append(.throttled(events: last - first))
    }
    return doubts
  }
}
