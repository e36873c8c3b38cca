// SPDX-License-Identifier: Apache-2.0
package import Hardware
internal import Quantities

/// How many threads the built-in runtime takes for each phase where nobody says, and why.
///
/// Each phase has the smallest of the counts that are as good as its best one within the noise: what memory or the
/// second thread of a core does not repay is left to others. Threads take their work piece by piece, so that a slow
/// core takes less of it.
package struct ThreadChoice: Sendable, Equatable {
  /// What one count reached, relative to the best.
  package struct Trial: Sendable, Equatable {
    package let threads: Int
    /// Weight bytes per second, one token at a time.
    package let decode: Double
    /// Operations per second, many tokens at a time.
    package let prefill: Double

    package init(threads: Int, decode: Double, prefill: Double) {
      self.threads = threads
      self.decode = decode
      self.prefill = prefill
    }
  }

  package let counts: ThreadCounts
  package let reason: String

  /// A count within this share of the best one is as good: rates of the same count scatter by as much.
  static let nearlyAsGood = 0.97

  /// The counts worth trying: powers of two up to the cores, all cores, and all threads where cores run two.
  package static func candidates(for processor: Processor) -> [Int] {
    var counts: Set<Int> = [processor.usableCores, processor.usableThreads]
    var count = 1
    while count < processor.usableCores {
      counts.insert(count)
      count *= 2
    }
    return counts.sorted()
  }

  /// - Parameter wish: what was asked for, which stands whatever was measured.
  package init(_ machine: HardwareProfile, _ wish: ThreadWish = .none) {
    let trials = Self.trials(machine.calibration)
      .filter { $0.threads <= machine.processor.usableThreads }
    guard let chosen = Self.best(of: trials) else {
      counts = wish.filled(from: ThreadCounts(machine.processor.usableCores))
      reason = "one for each core that may be used; 'anprobe probe --calibrate' measures which count is fastest"
      return
    }
    counts = wish.filled(from: chosen)
    reason =
      "of \(trials.map { "\($0.threads)" }.joined(separator: ", ")) measured: "
      + trials.map { trial in
        "\(trial.threads) \(trial.threads == 1 ? "decodes" : "decode") \(Bandwidth(magnitude: trial.decode)) and "
          + "\(trial.threads == 1 ? "prefills" : "prefill") \(OperationRate(magnitude: trial.prefill))"
      }.joined(separator: "; ")
  }

  /// The counts that a calibration tried.
  package static func trials(_ calibration: Calibration?) -> [Trial] {
    let rates = calibration?.rates ?? []
    let decode = rates.filter { $0.operation == .decodeTrial }
    return decode.compactMap { rate in
      let prefill = rates.first { $0.operation == .prefillTrial && $0.threads == rate.threads }
      return prefill.map { Trial(threads: rate.threads, decode: rate.perSecond, prefill: $0.perSecond) }
    }.sorted { $0.threads < $1.threads }
  }

  /// The smallest counts that are nearly as good as the best; nil without trials.
  package static func best(of trials: [Trial]) -> ThreadCounts? {
    guard let decode = smallest(of: trials, by: \.decode), let prefill = smallest(of: trials, by: \.prefill) else {
      return nil
    }
    return ThreadCounts(decode: decode, prefill: prefill)
  }

  private static func smallest(of trials: [Trial], by rate: (Trial) -> Double) -> Int? {
    guard let most = trials.map(rate).max(), most > 0 else { return nil }
    return trials.filter { rate($0) >= most * nearlyAsGood }.map(\.threads).min()
  }
}
