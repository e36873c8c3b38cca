// SPDX-License-Identifier: Apache-2.0
internal import Archive
package import Compression
package import CostModel
package import Evidence
internal import Hardware
internal import LanguageModel
internal import Quantities
internal import Runner

extension PlanningSession {
  /// Every format that the runtime has kernels for.
  package static let runtimeVariants = [
    "f16", "bf16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "q2_k", "q3_k_m", "q4_k_m", "q5_k_m", "q6_k", "iq1_s",
    "iq1_m", "iq2_xxs", "iq2_xs", "iq2_s", "iq3_xxs", "iq3_s", "iq4_nl", "iq4_xs", "tq1_0", "tq2_0", "mxfp4",
  ]
  /// A format of floats, one of integers and a mixture.
  package static let quickVariants = ["f16", "q8_0", "q4_k_m"]
  /// Those of Hugging Face checkpoints, and combinations.
  package static let checkpointVariants = [
    "awq4-g128", "gptq4-g128", "nf4", "nf4-dq", "int8", "w8a8", "fp8", "nf4-dq+lora-16",
    "depth-8+lora-16-merged+awq4-g128",
  ]

  /// Models and the variants of each.
  package typealias ValidationCases = [(model: ModelReference, variants: [CompressionVariant])]

  /// One model in every format of the runtime, and others in a few: minutes.
  ///
  /// - Parameter isQuick: a few formats of one model: a minute.
  package static func usualCases(isQuick: Bool) throws -> ValidationCases {
    func variants(_ names: [String]) throws -> [CompressionVariant] {
      try names.map { try CompressionVariant(parsing: $0) }
    }
    let first = ModelReference("TinyLlama-1.1B")
    guard !isQuick else { return [(first, try variants(quickVariants))] }
    let others = ["Qwen2.5-0.5B", "Meta-Llama-3-8B"].map(ModelReference.init)
    return try [(first, variants(runtimeVariants))] + others.map { ($0, try variants(quickVariants)) }
  }

  /// Holds the estimates of models and variants against runs of the same, which are kept.
  ///
  /// Speed is measured as the options say; memory always on the whole model, where it fits.
  /// - Parameter calibrates: measures the kernels before all, unless that was done lately, and those of a variant once more
  ///   by turns with its run, since rates age with the load of the machine. Else the newest calibration serves.
  package func validate(
    _ cases: ValidationCases, _ workload: Workload, _ options: MeasuringOptions, calibrates: Bool
  ) throws -> Validation {
    let archive = try Archive(path: folders.archive)
    let quality = try self.quality()
    if calibrates, try !wasCalibratedLately(options.threads) {
      _ = try calibrate(threads: options.threads, toolVersion: options.toolVersion, progress: options.progress)
    }
    let machine = try profile(of: .here)
    let platform = Platform(machine, engine: .anprobe, threads: options.threads)
    let kernels = try Self.kernels(options.kernels, repacks: options.repacks)
    let run = ValidationRun(
      measurer: Measurer(
        machine: machine, kernels: kernels, toolVersion: options.toolVersion, progress: options.progress,
        isCancelled: options.isCancelled),
      kept: calibrates ? machine.calibration : nil)
    var validation = Validation()
    (validation.threads, validation.threadsBatch) = (platform.threads.decode, platform.threads.prefill)
    for (model, variants) in cases {
      for variant in variants where !options.isCancelled() {
        let description = try self.description(of: model, for: variant)
        var request = MeasurementRequest(
          model: try variant.applied(to: description), variant: variant.name, workload: workload,
          threads: platform.threads, mode: options.mode, samples: options.samples)
        request.meter = options.meter
        let (results, calibration) = try run.results(request)
        var calibrated = machine
        calibrated.calibration = calibration ?? machine.calibration
        let estimator = CostEstimator(
          description, on: Platform(calibrated, engine: .anprobe, threads: options.threads), workload: workload,
          quality: quality)
        let estimate = try estimator.restructured(for: variant).estimate(variant)
        for result in results {
          if case .success(let measurement) = result { try archive.save(measurement) }
          validation.add(estimate, result, request.model.inventory.kernelSupport, isByTurns: calibration != nil)
        }
      }
    }
    return validation
  }
}

extension Validation {
  /// Adds a row for every quantity that both sides know.
  fileprivate mutating func add(
    _ estimate: CostEstimate, _ result: Result<Measurement, RunnerError>, _ kernels: KernelSupport, isByTurns: Bool
  ) {
    switch result {
    case .failure(let error):
      skipped.append(Skipped(model: estimate.model, variant: estimate.variant.name, reason: error.message))
    case .success(let measurement): add(estimate, measurement, kernels, isByTurns: isByTurns)
    }
  }

  /// Adds what one measurement tells.
  ///
  /// - Parameter isByTurns: the estimate's rates were sampled between the runs: on both sides the rate of all samples
  ///   together counts.
  mutating func add(
    _ estimate: CostEstimate, _ measurement: Measurement, _ kernels: KernelSupport = .fast, isByTurns: Bool = false
  ) {
    func rate(_ phase: Measurement.Phase?) -> Double? {
      isByTurns ? phase?.tokensPerSecond.meanRate : phase?.tokensPerSecond.median
    }
    add(estimate, kernels, .memory, estimate.memory.total, measurement.peakResident.value?.magnitude)
    add(estimate, kernels, .prefill, estimate.prefill, rate(measurement.prefill))
    add(estimate, kernels, .decode, estimate.decode, rate(measurement.decode))
  }

  private mutating func add<Value: Quantities.Quantity>(
    _ estimate: CostEstimate, _ kernels: KernelSupport, _ quantity: Quantity, _ value: Known<Value>, _ measured: Double?
  ) {
    guard let measured, let middle = value.value, let low = value.low, let high = value.high else { return }
    rows.append(
      Row(
        model: estimate.model, variant: estimate.variant.name, quantity: quantity, estimate: middle.magnitude,
        low: low.magnitude, high: high.magnitude, measured: measured, kernels: kernels))
  }
}
