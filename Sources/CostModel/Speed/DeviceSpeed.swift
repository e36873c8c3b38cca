// SPDX-License-Identifier: Apache-2.0
package import Hardware
internal import LanguageModel
package import Quantities

/// llama.cpp on a graphics processor known by the vendor's figures only.
package struct DeviceSpeed: SpeedModel {
  package let basis = Basis.modelled
  package let source: String
  private let device: DeviceClass
  private let bandwidth: Double
  private let operations: Double?

  /// - Throws: `NoSpeed` when the bandwidth is not known.
  package init(_ accelerator: Accelerator) throws(NoSpeed) {
    guard let bandwidth = accelerator.bandwidth.value else {
      throw NoSpeed("the memory bandwidth of \(accelerator.name) is not known")
    }
    device = DeviceClass.of(accelerator)
    self.bandwidth = bandwidth.magnitude
    operations = Self.peak(accelerator.peaks)
    source =
      "vendor's figures of \(accelerator.name) × llama.cpp's efficiency on \(device.name) devices (2024 table)"
  }

  /// The dense 16-bit rate of the matrix units.
  ///
  /// Vendors state it for consumer cards with sums in 32 bits, which halves it, and for others without; half of the 8-bit
  /// rate is the same for both.
  private static func peak(_ peaks: PeakRates) -> Double? {
    guard let half = peaks.float16.value?.magnitude else { return peaks.float32.value?.magnitude }
    return max(half, (peaks.int8.value?.magnitude ?? 0) / 2)
  }

  /// Operations per second that a product with weights of a format reaches.
  private func reached(_ operations: Double, _ format: StorageFormat) -> Double {
    let isFloat = [.block(.f32), .block(.f16), .block(.bf16)].contains(format)
    return operations * (isFloat ? device.computeShare.float : device.computeShare.quantised)
  }

  /// Bytes at the achieved bandwidth and operations at the achieved rate, as a 2-norm, and a time per layer.
  package func decodeStep(_ work: VariantWork, _ model: ModelWork) throws(NoSpeed) -> PhaseTime {
    let sequences = max(1, model.workload.sequences)
    var time = PhaseTime()
    var bytes = 0.0
    var compute = 0.0
    for part in work.parts {
      try LlamaCppFormats.check(part.format)
      bytes += work.bytes(part, tokens: sequences, model)
      if let operations { compute += 2 * part.elements * Double(sequences) / reached(operations, part.format) }
    }
    time.weightTransfer = bytes / (bandwidth * device.bandwidthShare)
    time.weights = (time.weightTransfer * time.weightTransfer + compute * compute).squareRoot()
    let cached = (model.cacheBytesRead + model.stateBytes) * Double(sequences)
    time.attention = cached / (bandwidth * device.bandwidthShare)
    time.overhead = Double(model.layers) * device.layerSeconds
    time.uncertainty = device.decodeError
    return time
  }

  /// Operations at the achieved rate, reading the weights once per micro-batch, and a time per layer.
  package func prefill(_ work: VariantWork, _ model: ModelWork) throws(NoSpeed) -> PhaseTime {
    guard let operations else { throw NoSpeed("the arithmetic rate of the device is not known") }
    let prompt = Double(min(model.workload.promptTokens, model.workload.contextTokens))
    let batch = max(1, min(prompt, Double(model.workload.microBatch)))
    let chunks = (prompt / batch).rounded(.up)
    var time = PhaseTime()
    var compute = 0.0
    var bytes = 0.0
    for part in work.parts {
      try LlamaCppFormats.check(part.format)
      compute += 2 * part.elements * (part.isHead ? 1 : prompt) / reached(operations, part.format)
      bytes += work.bytes(part, tokens: Int(batch), model) * chunks
    }
    time.weightTransfer = bytes / (bandwidth * device.bandwidthShare)
    // A short prompt does not fill the matrix units: reading the weights is added, not hidden.
    time.weights = time.weightTransfer + compute
    time.attention = model.promptAttentionOperations / reached(operations, .block(.f16))
    time.overhead = chunks * Double(model.layers) * device.layerSeconds
    time.uncertainty = device.prefillError
    return time
  }
}
