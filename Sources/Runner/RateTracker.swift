// SPDX-License-Identifier: Apache-2.0
package import CostModel
package import Hardware
package import Inference
package import LanguageModel

/// The rates of one variant's kernels, sampled by turns with the runs that its estimate is held against.
///
/// A machine that others use too changes its speed within tenths of a second: a calibration of a minute ago speaks of
/// another machine. What is sampled by turns meets the same one, and the rate of all samples together is what runs that
/// last longer than its moods have on average.
package final class RateTracker {
  private let calibrator: Calibrator
  private let probe: KernelProbe
  private let formats: [RuntimeFormat]
  private let attentions: [(probe: AttentionProbe, group: Int)]
  private let cache: KeyValueFormat
  private let headWidth: Int
  /// Positions behind which attention is measured.
  private let contexts: [Int]
  private let isBatched: Bool
  private let passes: PassProbe?
  private let barrier: Double
  private var samples: RateSamples

  /// Takes the bytes of a calibration's weights, until it is gone.
  ///
  /// - Parameters:
  ///   - formats: those of the variant's matrices; rows of kept weights, which must be written first, are left out.
  ///   - pool: its threads are those of the rates.
  ///   - barrier: seconds of an empty job.
  /// - Throws: `LanguageRuntimeError` when memory is refused.
  package init(
    _ calibrator: Calibrator, of formats: [RuntimeFormat], _ model: ModelWork, on pool: ThreadPool, barrier: Double
  ) throws(LanguageRuntimeError) {
    self.calibrator = calibrator
    self.formats = formats.filter { !$0.isKeptRow }
    cache = model.workload.keyValueFormat
    isBatched = model.workload.sequences > 1
    let plan = calibrator.plan
    let usual = plan.contexts.min() ?? 0
    contexts = model.middlePosition <= usual ? [usual] : plan.contexts
    let width = model.headWidth
    headWidth = plan.headWidths.min { abs($0 - width) < abs($1 - width) } ?? width
    probe = try KernelProbe(kernels: calibrator.kernels, pool: pool, regionBytes: calibrator.regionBytes)
    passes = try PassProbe(kernels: calibrator.kernels, pool: pool)
    self.barrier = barrier
    var attentions: [(AttentionProbe, Int)] = []
    for group in plan.headGroups(around: model.headsPerKeyHead) {
      let most = contexts.max() ?? 0
      attentions.append((try calibrator.attention(group: group, width: headWidth, cache, context: most, pool), group))
    }
    self.attentions = attentions
    samples = RateSamples(threads: pool.counts, middle: .meanRate)
  }

  /// Turns over all kernels in one call: together longer than a state of a busy machine lasts.
  private static let turns = 2

  package func sample() throws(LanguageRuntimeError) {
    var read = 0
    let seconds = Timing.seconds { read = probe.read() }
    samples.add(.init(.read), Double(read) / seconds)
    for (batch, threads) in [(1, samples.threads.decode), (PassProbe.batches.last ?? 1, samples.threads.prefill)] {
      guard let rate = try passes?.rate(batch: batch, barrier: barrier) else { continue }
      samples.add(.init(.elementwise, threads: threads, batch: batch), rate)
    }
    for _ in 0..<Self.turns {
      for format in formats {
        probe.use(format)
        calibrator.matvecs(probe, format, calibrator.plan.jobBytes, &samples)
        calibrator.gemm(probe, format, &samples)
        if isBatched { calibrator.few(probe, format, &samples) }
      }
      for (attention, group) in attentions {
        for context in contexts {
          calibrator.attend(
            attention, beside: probe, group: group, at: context, cache, headWidth, (1, 1), &samples)
        }
      }
    }
  }

  /// A calibration with the rates that were sampled here in place of its own.
  package func calibration(in kept: Calibration) -> Calibration { kept.replacing(samples.rates) }
}
