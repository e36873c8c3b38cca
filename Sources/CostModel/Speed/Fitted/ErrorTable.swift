// SPDX-License-Identifier: Apache-2.0
internal import Quantities

/// A central 90 % interval of the measured value as factors of the predicted one.
package struct ErrorInterval: Sendable, Equatable {
  package var low: Double
  package var high: Double

  package init(low: Double, high: Double) {
    self.low = low
    self.high = high
  }

  package var width: Double { high / low }

  package func contains(measured: Double, predicted: Double) -> Bool {
    measured >= low * predicted && measured <= high * predicted
  }
}

/// Errors of predictions for machines that were left out, ln(measured / predicted).
///
/// Intervals are calibrated by machines (cross-conformal): among the errors that may be known, each machine is left out in
/// turn, and the tails are cut, or the ends stretched, where nine in ten of what was left out, and of the next machine, lies
/// inside. No shape of the errors is assumed.
package struct ErrorTable: Sendable {
  package struct Entry: Sendable {
    package var machine: String
    package var classKey: String
    package var kind: DeviceKind
    package var quantity: SpeedObservation.Quantity
    package var error: Double

    package init(
      machine: String, classKey: String, kind: DeviceKind, quantity: SpeedObservation.Quantity, error: Double
    ) {
      self.machine = machine
      self.classKey = classKey
      self.kind = kind
      self.quantity = quantity
      self.error = error
    }
  }

  /// In rising order of their errors.
  private let entries: [Entry]

  package init(_ entries: [Entry]) {
    self.entries = entries.sorted { ($0.error, $0.machine) < ($1.error, $1.machine) }
  }

  /// A class speaks for itself from this many machines on; else its kind of device does, else its group.
  static let enoughMachines = 10
  /// Several devices of a class speak for themselves from this many machines on, since no wider class holds them. With fewer
  /// machines than this no interval can be calibrated.
  static let enoughToCalibrate = 5
  static let coverage = 0.9
  /// Where the ends of an interval stand among the errors: the boldest first.
  static let cuts =
    (0...24).map { WeightedErrors.Cut(tail: max(0, 0.06 - 0.0025 * Double($0)), stretch: 1) }
    + (1...10).map { WeightedErrors.Cut(tail: 0, stretch: 1 + 0.1 * Double($0)) }
  /// Where a group has no errors of a quantity: a factor of two either way.
  static let unknown = ErrorInterval(low: 0.5, high: 2)

  /// The interval that the errors on other machines suggest; it always holds the predicted value.
  package func interval(
    _ classKey: String, _ kind: DeviceKind, _ quantity: SpeedObservation.Quantity, without machine: String? = nil
  ) -> ErrorInterval {
    let others = entries.filter { $0.quantity == quantity && $0.machine != machine }
    let several = others.filter { $0.kind == .gpus && $0.classKey == classKey }
    if kind == .gpus, Self.machines(several) >= Self.enoughToCalibrate { return Self.interval(of: several) }
    return Self.interval(of: Self.like(classKey, kind, others))
  }

  /// The errors of a class, of its kind of device where that has too few machines, else of all. Several devices that do not
  /// speak for themselves take those of one and of several together; one device never takes those of several.
  private static func like(_ classKey: String, _ kind: DeviceKind, _ others: [Entry]) -> [Entry] {
    let known = kind == .gpus ? others : others.filter { $0.kind != .gpus }
    let ofKind = known.filter { $0.kind == kind || kind == .gpus && $0.kind == .gpu }
    let candidates = [known.filter { $0.classKey == classKey }, ofKind]
    return candidates.first { machines($0) >= enoughMachines } ?? known
  }

  private static func machines(_ entries: [Entry]) -> Int { Set(entries.map(\.machine)).count }

  private static func interval(of entries: [Entry]) -> ErrorInterval {
    guard machines(entries) >= enoughToCalibrate else { return few(entries) }
    let ends = WeightedErrors(entries).ends(cut(entries))
    // All evidence made the value; that errors of machines left out lie to one side makes it no less likely.
    return ErrorInterval(low: Logarithm.exponential(min(0, ends.low)), high: Logarithm.exponential(max(0, ends.high)))
  }

  /// Few machines tell how far errors reach, but not to which side; one tells nothing of another.
  private static func few(_ entries: [Entry]) -> ErrorInterval {
    let seen = Logarithm.exponential(entries.map { abs($0.error) }.max() ?? 0)
    let reach = machines(entries) > 1 ? seen : max(seen, unknown.high)
    return ErrorInterval(low: 1 / reach, high: reach)
  }

  /// The boldest cut at which machines left out in turn lie inside often enough, each by the square root of its rows.
  static func cut(_ entries: [Entry]) -> WeightedErrors.Cut {
    let groups = Dictionary(grouping: entries, by: \.machine)
    let known = Double(groups.count)
    var (inside, all) = ([Double](repeating: 0, count: cuts.count), 0.0)
    for machine in groups.keys.sorted() {
      guard let own = groups[machine] else { continue }
      let others = WeightedErrors(entries.filter { $0.machine != machine })
      let weight = 1 / Double(own.count).squareRoot()
      all += weight * Double(own.count)
      for (index, cut) in cuts.enumerated() {
        let ends = others.ends(cut)
        inside[index] += weight * Double(own.count { $0.error >= ends.low && $0.error <= ends.high })
      }
    }
    // As long as something is cut off, the next machine counts as one more than those that are known.
    let enough = zip(cuts, inside).first { cut, inside in
      inside >= coverage * all * (cut.tail > 0 ? 1 + 1 / known : 1)
    }
    return enough?.0 ?? cuts[cuts.count - 1]
  }
}

/// Errors in rising order in which each machine weighs with the square root of its rows, so that one does not stand for all.
struct WeightedErrors {
  private let errors: [Double]
  private let sums: [Double]

  init(_ sorted: [ErrorTable.Entry]) {
    var counts: [String: Double] = [:]
    for entry in sorted { counts[entry.machine, default: 0] += 1 }
    errors = sorted.map(\.error)
    var sum = 0.0
    sums = sorted.map { entry in
      sum += 1 / (counts[entry.machine] ?? 1).squareRoot()
      return sum
    }
  }

  /// A share cut off at each end, and by how much the rest is stretched about its middle.
  struct Cut {
    var tail: Double
    var stretch: Double
  }

  func ends(_ cut: Cut) -> (low: Double, high: Double) {
    let middle = quantile(0.5)
    return (
      middle + (quantile(cut.tail) - middle) * cut.stretch, middle + (quantile(1 - cut.tail) - middle) * cut.stretch
    )
  }

  func quantile(_ level: Double) -> Double {
    guard let all = sums.last, let last = errors.last else { return 0 }
    var (below, above) = (0, sums.count)
    while below < above {
      let middle = (below + above) / 2
      if sums[middle] >= level * all { above = middle } else { below = middle + 1 }
    }
    return below < errors.count ? errors[below] : last
  }
}
