// SPDX-License-Identifier: Apache-2.0
package import Hardware
internal import LanguageModel
package import Quantities

/// The built-in runtime on a machine whose kernels were measured.
///
/// Time is a sum over the jobs of the forward pass, each with the rate that its own kernel reached at its own size with
/// the threads of its phase.
package struct CalibratedSpeed: SpeedModel {
  package let basis = Basis.calibrated
  package let source: String
  private let decodeRates: RateBook
  private let prefillRates: RateBook

  /// What a sum of separately measured jobs misses of a whole pass, as a share of the time (the target of validation).
  static let decodeModelError = 0.06
  static let prefillModelError = 0.12
  /// Parallel jobs of a layer in the forward pass. Of one token: query, key and value, attention, and three products, whose
  /// threads go on with their rows; what is left one thread does alone. Of more: norms, conversions and rotation besides.
  package static func jobsPerLayer(rows: Int) -> Double { rows == 1 ? 5 : 11 }

  /// - Parameter threads: the threads to run with; the nearest measured counts serve.
  package init(_ calibration: Calibration, threads: ThreadCounts) {
    decodeRates = RateBook(calibration, threads: threads.decode)
    prefillRates = RateBook(calibration, threads: threads.prefill, product: .gemm)
    let measured = ThreadCounts(decode: decodeRates.threads, prefill: prefillRates.threads)
    source = "kernels measured here on \(calibration.date), \(measured), \(calibration.kernelSet)"
  }

  /// The rates at which a pass of so many rows runs.
  private func rates(rows: Int) -> RateBook { rows <= ThreadCounts.fewRows ? decodeRates : prefillRates }

  /// One reading of the weights serves all sequences; each reads a cache of its own.
  package func decodeStep(_ work: VariantWork, _ model: ModelWork) throws(NoSpeed) -> PhaseTime {
    let sequences = max(1, model.workload.sequences)
    let rates = rates(rows: sequences)
    let readBandwidth = rates.readBandwidth
    var time = PhaseTime()
    var spread = 0.0
    for part in work.parts {
      let (seconds, ownSpread) = try products(part, work, model, tokens: sequences, at: rates)
      time.weights += seconds
      spread += seconds * ownSpread
      let bytes = work.bytes(part, tokens: sequences, model)
      time.weightTransfer += readBandwidth > 0 ? bytes / readBandwidth : 0
    }
    spread /= max(time.weights, .leastNormalMagnitude)
    time.attention = attention(model, at: rates)
    if readBandwidth > 0 { time.attention += model.stateBytes / readBandwidth }
    time.attention *= Double(sequences)
    if readBandwidth > 0 {
      time.attentionTransfer = Double(sequences) * (model.cacheBytesRead + model.stateBytes) / readBandwidth
    }
    time.elementwise = rates.elementwise(batch: sequences).map { model.activationBytes * Double(sequences) / $0 } ?? 0
    // An adapter's values of a few tokens lie in the near caches: only its products' jobs are more.
    time.overhead = (Double(model.layers) * Self.jobsPerLayer(rows: sequences) + work.adapterJobs) * rates.barrier
    time.uncertainty = max(Self.decodeModelError, spread)
    return time
  }

  /// Seconds of a part's products with one token of each sequence, and the rate's spread.
  ///
  /// A matrix of an expert meets only the tokens that chose it.
  private func products(
    _ part: VariantWork.Part, _ work: VariantWork, _ model: ModelWork, tokens: Int, at rates: RateBook
  ) throws(NoSpeed) -> (seconds: Double, spread: Double) {
    let bytes = work.bytes(part, tokens: tokens, model)
    let visits = part.bytes * Double(tokens) / max(bytes, .leastNormalMagnitude)
    guard visits > 1 else {
      let rate = try rates.matvec(part.kernel, jobBytes: part.jobBytes)
      return (bytes / rate.perSecond, rate.spread)
    }
    let rate = try rates.gemm(part.kernel, batch: visits, jobBytes: part.jobBytes)
    return (2 * part.elements * Double(tokens) / rate.perSecond, rate.spread)
  }

  /// Operations at the measured rate, but never faster than the cache can be read.
  private func attention(_ model: ModelWork, at rates: RateBook) -> Double {
    let transfer = rates.readBandwidth > 0 ? model.cacheBytesRead / rates.readBandwidth : 0
    let cache = model.workload.keyValueFormat
    let seen = model.cachedBytesOfLayer(positions: Double(model.middlePosition))
    guard
      let rate = rates.attention(
        .attention, cache, width: model.headWidth, queries: model.headsPerKeyHead, cachedBytes: seen)
    else {
      return transfer
    }
    return max(transfer, model.attentionOperations / rate)
  }

  package func prefill(_ work: VariantWork, _ model: ModelWork) throws(NoSpeed) -> PhaseTime {
    let (prompt, batch, chunks) = (model.promptTokens, model.batch, model.chunks)
    guard batch > 1 else { return try decodeStep(work, model) }
    let rates = rates(rows: batch)
    let readBandwidth = rates.readBandwidth
    var time = PhaseTime()
    var spread = 0.0
    for part in work.parts {
      if part.isHead {
        // Only the last token's logits are asked for.
        let rate = try decodeRates.matvec(part.kernel, jobBytes: part.jobBytes)
        time.weights += part.bytes / rate.perSecond
        continue
      }
      let rate = try rates.gemm(part.kernel, batch: Double(batch), jobBytes: part.jobBytes)
      let seconds = 2 * part.elements * prompt / rate.perSecond
      time.weights += seconds
      spread += seconds * rate.spread
      if readBandwidth > 0 { time.weightTransfer += chunks * part.allBytes / readBandwidth }
    }
    spread /= max(time.weights, .leastNormalMagnitude)
    let cache = model.workload.keyValueFormat
    // Chunks towards the end see more and do more: weighted by their operations they end at two thirds of a long
    // prompt, and a single one at its end.
    let seen = model.cachedBytesOfLayer(positions: (2 * prompt + Double(batch)) / 3)
    if let rate = rates.attention(
      .attentionPrefill, cache, width: model.headWidth, queries: batch * model.headsPerKeyHead, cachedBytes: seen)
    {
      time.attention = model.promptAttentionOperations / rate
    }
    let activationBytes = model.activationBytes + work.adapterBytes
    time.elementwise = rates.elementwise(batch: 512).map { activationBytes * prompt / $0 } ?? 0
    time.overhead = chunks * (Double(model.layers) * Self.jobsPerLayer(rows: batch) + work.adapterJobs) * rates.barrier
    time.uncertainty = max(Self.prefillModelError, spread)
    return time
  }
}
