// SPDX-License-Identifier: Apache-2.0
package import Hardware
internal import LanguageModel
package import Quantities

/// llama.cpp on a processor: known bandwidth and cores, with the kernels' rates from another machine.
package struct ProcessorSpeed: SpeedModel {
  package let basis = Basis.modelled
  package let source: String
  private let bandwidth: Double
  /// Cores of the reference kind that this processor is worth.
  private let cores: Double

  /// Shares of the peak bandwidth that reads achieve: DDR 0.75 to 0.88 by platform, low-power memory on the processor's
  /// side 0.5 to 0.7.
  static let bandwidthShare = (ordinary: 0.80, lowPower: 0.60)
  /// Seconds per node of the graph, and nodes per layer of a llama-type graph (710 at 22 layers).
  static let nodeSeconds = 1e-6
  static let nodesPerLayer = 32.0
  /// Bandwidth shares vary by 15 %, kernels across cores by 30 %.
  static let decodeError = 0.35
  static let prefillError = 0.6

  /// - Parameters:
  ///   - threads: the threads to run with.
  ///   - measured: read bandwidth that was measured here, which beats the vendor's.
  /// - Throws: `NoSpeed` when no bandwidth is known.
  package init(_ machine: HardwareProfile, threads: Int, measured: Bandwidth?, memoryTechnology: String? = nil)
    throws(NoSpeed)
  {
    if let measured {
      bandwidth = measured.magnitude
    } else if let peak = machine.memory.peakBandwidth.value {
      let isLowPower = (memoryTechnology ?? machine.memory.technology ?? "").uppercased().hasPrefix("LPDDR")
      bandwidth = peak.magnitude * (isLowPower ? Self.bandwidthShare.lowPower : Self.bandwidthShare.ordinary)
    } else {
      throw NoSpeed("the memory bandwidth of \(machine.name) is not known; 'anprobe probe --calibrate' measures it")
    }
    let fromPeak = machine.processor.peaks.float32.value.map { $0.magnitude / LlamaCppFormats.referencePeak }
    cores = fromPeak ?? Double(min(threads, machine.processor.coreCount))
    let origin = measured == nil ? "vendor's bandwidth and rates" : "bandwidth measured here"
    source = "\(origin) of \(machine.name) × llama.cpp's kernels as measured on one Sapphire Rapids core"
  }

  /// Transfers and arithmetic as a 2-norm, which met 19 formats with a median error of 4 %.
  package func decodeStep(_ work: VariantWork, _ model: ModelWork) throws(NoSpeed) -> PhaseTime {
    let sequences = max(1, model.workload.sequences)
    var time = PhaseTime()
    for part in work.parts {
      guard let rate = LlamaCppFormats.rate(part.format) else {
        throw NoSpeed("llama.cpp has no kernel for \(part.format.name)")
      }
      let bytes = work.bytes(part, tokens: sequences, model)
      let transfer = bytes / bandwidth
      let compute = part.bytes * Double(sequences) / (rate.gigabytes * 1e9 * cores)
      time.weights += (transfer * transfer + compute * compute).squareRoot()
      time.weightTransfer += transfer
    }
    time.attention = (model.cacheBytesRead + model.stateBytes) * Double(sequences) / bandwidth
    time.overhead = Double(model.layers) * Self.nodesPerLayer * Self.nodeSeconds
    time.uncertainty = Self.decodeError
    return time
  }

  package func prefill(_ work: VariantWork, _ model: ModelWork) throws(NoSpeed) -> PhaseTime {
    let prompt = Double(min(model.workload.promptTokens, model.workload.contextTokens))
    let batch = max(1, min(prompt, Double(model.workload.microBatch)))
    let chunks = (prompt / batch).rounded(.up)
    var time = PhaseTime()
    for part in work.parts {
      guard let rate = LlamaCppFormats.rate(part.format) else {
        throw NoSpeed("llama.cpp has no kernel for \(part.format.name)")
      }
      let transfer = work.bytes(part, tokens: Int(batch), model) * (part.isHead ? 1 : chunks) / bandwidth
      let compute = 2 * part.elements * (part.isHead ? 1 : prompt) / (rate.gigaOperations * 1e9 * cores)
      time.weights += (transfer * transfer + compute * compute).squareRoot()
      time.weightTransfer += transfer
    }
    let attentionRate = (LlamaCppFormats.rates[.f16]?.gigaOperations ?? 66) * 1e9 * cores
    time.attention = model.promptAttentionOperations / attentionRate
    time.overhead = chunks * Double(model.layers) * Self.nodesPerLayer * Self.nodeSeconds
    time.uncertainty = Self.prefillError
    return time
  }
}
