// SPDX-License-Identifier: Apache-2.0
internal import Archive
package import Compression
package import CostModel
package import Evidence
internal import LanguageModel
internal import Quantities
internal import Runner

extension PlanningSession {
  /// The formats with kernels of their own, every matrix in one of them.
  package static let fastVariants = ["f32", "f16", "bf16", "q8_0", "q4_0", "q4_k", "q6_k"]
  /// Those of Hugging Face checkpoints, and combinations.
  package static let checkpointVariants = [
    "awq4-g128", "gptq4-g128", "nf4", "nf4-dq", "int8", "w8a8", "fp8", "nf4-dq+lora-16",
    "depth-8+lora-16-merged+awq4-g128",
  ]

  /// Holds the estimates of models × variants against runs of the same, which are kept.
  ///
  /// Speed is measured as the options say; memory always on the whole model, where it fits.
  /// - Parameter calibrates: measures the kernels before each model, since rates age with the load of the machine.
  package func validate(
    _ models: [ModelReference], _ variants: [CompressionVariant], _ workload: Workload, _ options: MeasuringOptions,
    calibrates: Bool
  ) throws -> Validation {
    let archive = try Archive(path: folders.archive)
    let quality = try self.quality()
    var validation = Validation()
    for model in models {
      if calibrates, !options.isCancelled() {
        _ = try calibrate(threads: options.threads, toolVersion: options.toolVersion, progress: options.progress)
      }
      let machine = try profile(of: .here)
      let platform = Platform(machine, engine: .anprobe, threads: options.threads)
      let measurer = Measurer(
        machine: machine, kernels: try Self.kernels(options.kernels, repacks: options.repacks),
        toolVersion: options.toolVersion,
        progress: options.progress, isCancelled: options.isCancelled)
      for variant in variants where !options.isCancelled() {
        let description = try self.description(of: model, for: variant)
        let estimator = CostEstimator(description, on: platform, workload: workload, quality: quality)
        let estimate = try estimator.restructured(for: variant).estimate(variant)
        let request = MeasurementRequest(
          model: try variant.applied(to: description), variant: variant.name, workload: workload,
          threads: platform.threads, mode: options.mode, samples: options.samples)
        for result in try Self.runs(measurer, request) {
          if case .success(let measurement) = result { try archive.save(measurement) }
          validation.add(estimate, result)
        }
      }
    }
    return validation
  }

  /// The run asked for, and after a sample of the layers a whole one for the memory.
  private static func runs(
    _ measurer: Measurer, _ request: MeasurementRequest
  ) throws -> [Result<Measurement, RunnerError>] {
    let first = try attempt(measurer, request)
    // A small model is its own sample, and its memory was measured with it.
    guard case .success(let measurement) = first, measurement.mode == .sampled else { return [first] }
    var whole = request
    whole.mode = .full
    whole.onlyMemory = true
    return [first, try attempt(measurer, whole)]
  }

  /// A run, or the reason why there is none; causes other than a lack of memory end the validation.
  private static func attempt(
    _ measurer: Measurer, _ request: MeasurementRequest
  ) throws -> Result<Measurement, RunnerError> {
    do { return .success(try measurer.measure(request)) } catch let error as RunnerError { return .failure(error) }
  }
}

extension Validation {
  /// Adds a row for every quantity that both sides know.
  fileprivate mutating func add(_ estimate: CostEstimate, _ result: Result<Measurement, RunnerError>) {
    switch result {
    case .failure(let error):
      skipped.append(Skipped(model: estimate.model, variant: estimate.variant.name, reason: error.message))
    case .success(let measurement): add(estimate, measurement)
    }
  }

  /// Adds what one measurement tells.
  mutating func add(_ estimate: CostEstimate, _ measurement: Measurement) {
    add(estimate, .memory, estimate.memory.total, measurement.peakResident.value?.magnitude)
    add(estimate, .prefill, estimate.prefill, measurement.prefill?.tokensPerSecond.median)
    add(estimate, .decode, estimate.decode, measurement.decode?.tokensPerSecond.median)
  }

  private mutating func add<Value: Quantities.Quantity>(
    _ estimate: CostEstimate, _ quantity: Quantity, _ value: Known<Value>, _ measured: Double?
  ) {
    guard let measured, let middle = value.value, let low = value.low, let high = value.high else { return }
    rows.append(
      Row(
        model: estimate.model, variant: estimate.variant.name, quantity: quantity, estimate: middle.magnitude,
        low: low.magnitude, high: high.magnitude, measured: measured))
  }
}
