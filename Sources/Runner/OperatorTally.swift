// SPDX-License-Identifier: Apache-2.0
internal import CostModel
internal import Evidence
internal import Inference

/// The times by operator of one phase, summed over a measurement's samples.
struct OperatorTally {
  private var times = OperatorTimes()
  private var seconds = 0.0
  private var tokens = 0
  /// Of each layer, then of the head, the seconds of every pass.
  private var stages: [[Double]] = []

  /// - Parameters:
  ///   - seconds: of the whole pass, from outside.
  ///   - body: multiplied with `scale` where some layers stand for all.
  mutating func add(tokens: Int, seconds: Double, body: OperatorTimes, scale: Double, head: OperatorTimes) {
    self.tokens += tokens
    self.seconds += seconds
    times.add(body, scaledBy: scale)
    times.add(head)
  }

  /// The stages of one pass, which all passes have alike.
  mutating func add(stages pass: [Double]) {
    if stages.isEmpty { stages = pass.map { _ in [] } }
    for (index, seconds) in pass.enumerated() where index < stages.count { stages[index].append(seconds) }
  }

  /// - Parameters:
  ///   - work: of `workTokens` tokens.
  ///   - sampleTokens: of one sample.
  func phase(
    _ work: [PassOperator: OperatorWork.Amount], ofTokens workTokens: Int, sampleTokens: Int
  ) -> OperatorProfile.Phase? {
    guard tokens > 0 else { return nil }
    let rows = PassOperator.allCases.compactMap { pass -> OperatorProfile.Row? in
      guard times[pass] > 0 else { return nil }
      let amount = work[pass] ?? OperatorWork.Amount()
      let share = 1 / Double(max(1, workTokens))
      return OperatorProfile.Row(
        name: pass.rawValue, seconds: times[pass] / Double(tokens), bytes: amount.bytes * share,
        floatOperations: amount.floatOperations * share, integerOperations: amount.integerOperations * share,
        wordOperations: amount.wordOperations * share, tileOperations: amount.tileOperations * share,
        readsMemory: pass.readsMemory)
    }
    let passes = max(1, stages.first?.count ?? 1)
    let passTokens = Double(tokens) / Double(passes)
    return OperatorProfile.Phase(
      tokens: sampleTokens, seconds: seconds / Double(tokens), rows: rows,
      stages: stages.map { SampleStatistics($0).lowerQuartile / passTokens })
  }
}

extension OperatorProfile.Limits {
  /// What this machine does at most on the pool's threads: the best of some short tries, in a tenth of a second.
  static func measured(on probe: KernelProbe) -> OperatorProfile.Limits {
    let plan = CalibrationPlan()
    func best(_ amount: () -> Double) -> Double {
      _ = amount()
      return (0..<plan.repeats).map { _ in
        var done = 0.0
        let seconds = Timing.seconds { done = amount() }
        return done / seconds
      }.max() ?? 0
    }
    return OperatorProfile.Limits(
      readBytesPerSecond: best { Double(probe.read()) },
      floatOperationsPerSecond: best { probe.multiplyAdds(of: .floats, rounds: plan.peakRounds) },
      integerOperationsPerSecond: best { probe.multiplyAdds(of: .integers, rounds: plan.peakRounds) },
      wordOperationsPerSecond: best { probe.multiplyAdds(of: .words, rounds: plan.peakRounds) },
      tileOperationsPerSecond: best { probe.multiplyAdds(of: .tiles, rounds: plan.peakRounds) })
  }
}
