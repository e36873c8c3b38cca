// SPDX-License-Identifier: Apache-2.0
internal import Quantities

/// An error ln(measured / predicted) and what is left out together with it.
protocol MachineError {
  var machine: String { get }
  var error: Double { get }
}

/// How the errors on other machines make a 90 % interval.
///
/// Speeds are told by `machines`, memory and power by `rows`; what the others would hold shows which blemish is a rule's and
/// which the data's.
package enum IntervalRule: String, Sendable, CaseIterable {
  /// Nine in ten of the machines left out in turn and of the next one lie inside, a machine weighing with the square root
  /// of its rows; fewer than five calibrate nothing, and their errors reach as far either way.
  case machines
  /// The same without the next machine, however few there are.
  case knownMachines
  /// Every row counts alike: the ⌈0.9·(n + 1)⌉-th smallest error either way.
  case rows

  static let coverage = 0.9
  /// With fewer machines than this no interval can be calibrated.
  static let enoughToCalibrate = 5
  /// Where nothing is known: a factor of two either way.
  static let unknown = ErrorInterval(low: 0.5, high: 2)

  /// - Parameter errors: in rising order.
  func interval(of errors: [some MachineError]) -> ErrorInterval {
    let known = Set(errors.map(\.machine)).count
    switch self {
    case .machines:
      return known < Self.enoughToCalibrate
        ? Self.few(errors, known) : Self.holding(errors, TailCut.cut(errors, counting: 1))
    case .knownMachines:
      // One machine cannot be left out.
      let plain = TailCut(tail: (1 - Self.coverage) / 2, stretch: 1)
      return Self.holding(errors, known > 1 ? TailCut.cut(errors, counting: 0) : plain)
    case .rows:
      let margin = Logarithm.exponential(ConformalErrors.quantile(errors.map(\.error)) ?? 0)
      return ErrorInterval(low: 1 / margin, high: margin)
    }
  }

  /// All evidence made the value; that errors of machines left out lie to one side makes it no less likely.
  private static func holding(_ errors: [some MachineError], _ cut: TailCut) -> ErrorInterval {
    let ends = WeightedErrors(errors).ends(cut)
    return ErrorInterval(low: Logarithm.exponential(min(0, ends.low)), high: Logarithm.exponential(max(0, ends.high)))
  }

  /// Few machines tell how far errors reach, but not to which side; one tells nothing of another.
  private static func few(_ errors: [some MachineError], _ known: Int) -> ErrorInterval {
    let seen = Logarithm.exponential(errors.map { abs($0.error) }.max() ?? 0)
    let reach = known > 1 ? seen : max(seen, unknown.high)
    return ErrorInterval(low: 1 / reach, high: reach)
  }
}

/// A share of the errors cut off at each end, and by how much the rest is stretched about its middle.
struct TailCut {
  var tail: Double
  var stretch: Double

  /// The boldest first.
  private static let cuts =
    (0...24).map { TailCut(tail: max(0, 0.06 - 0.0025 * Double($0)), stretch: 1) }
    + (1...10).map { TailCut(tail: 0, stretch: 1 + 0.1 * Double($0)) }

  /// The boldest cut at which machines left out in turn lie inside often enough, each by the square root of its rows.
  ///
  /// - Parameter next: as long as something is cut off, so many machines more than those that are known must lie inside.
  static func cut<Entry: MachineError>(_ errors: [Entry], counting next: Double) -> TailCut {
    let groups = Dictionary(grouping: errors, by: \.machine)
    let known = Double(groups.count)
    var (inside, all) = ([Double](repeating: 0, count: cuts.count), 0.0)
    for machine in groups.keys.sorted() {
      guard let own = groups[machine] else { continue }
      let others = WeightedErrors(errors.filter { $0.machine != machine })
      let weight = 1 / Double(own.count).squareRoot()
      all += weight * Double(own.count)
      for (index, cut) in cuts.enumerated() {
        let ends = others.ends(cut)
        inside[index] += weight * Double(own.count { $0.error >= ends.low && $0.error <= ends.high })
      }
    }
    let enough = zip(cuts, inside).first { cut, inside in
      inside >= IntervalRule.coverage * all * (cut.tail > 0 ? 1 + next / known : 1)
    }
    return enough?.0 ?? cuts[cuts.count - 1]
  }
}

/// Errors in rising order in which each machine weighs with the square root of its rows, so that one does not stand for all.
struct WeightedErrors {
  private let errors: [Double]
  private let sums: [Double]

  init(_ sorted: [some MachineError]) {
    var counts: [String: Double] = [:]
    for entry in sorted { counts[entry.machine, default: 0] += 1 }
    errors = sorted.map(\.error)
    var sum = 0.0
    sums = sorted.map { entry in
      sum += 1 / (counts[entry.machine] ?? 1).squareRoot()
      return sum
    }
  }

  func ends(_ cut: TailCut) -> (low: Double, high: Double) {
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
