// SPDX-License-Identifier: Apache-2.0
package import CostModel
package import Evidence
package import Hardware
internal import HardwareProbe
package import Inference
package import LanguageModel
internal import ModelFiles
package import Quantities

/// Runs a model on the built-in runtime and reports what it saw.
package struct Measurer: Sendable {
  package let machine: HardwareProfile
  package let kernels: KernelSet
  package let toolVersion: String
  let progress: @Sendable (String) -> Void
  /// Asked between passes; what was measured until then is kept.
  let isCancelled: @Sendable () -> Bool

  package init(
    machine: HardwareProfile, kernels: KernelSet = .best, toolVersion: String,
    progress: @escaping @Sendable (String) -> Void = { _ in }, isCancelled: @escaping @Sendable () -> Bool = { false }
  ) {
    self.machine = machine
    self.kernels = kernels
    self.toolVersion = toolVersion
    self.progress = progress
    self.isCancelled = isCancelled
  }

  /// - Parameter between: called before and after each timed stretch, to measure something else by turns.
  /// - Throws: `RunnerError.doesNotFit` before anything is loaded, `.interrupted` without a single sample;
  ///   `LanguageRuntimeError`; `MeterError` for a meter that was asked for and does not measure.
  package func measure(
    _ request: MeasurementRequest, between: () throws(LanguageRuntimeError) -> Void = {}
  ) throws -> Measurement {
    let tokens = request.workload.promptTokens + request.workload.generatedTokens
    guard tokens <= request.workload.contextTokens else {
      throw RunnerError.contextTooShort(context: request.workload.contextTokens, needed: tokens)
    }
    let sample = request.mode == .sampled ? SampledModel(request.model, coldBytes: coldBytes) : nil
    try checkFit(request, sample)
    // A meter that was asked for and does not measure is told before the work.
    let meter = try EnergyMeter.open(request.meter)
    defer { if case .success(let meter) = meter { meter.stop() } }
    let before = LoadReading.now()
    let canReset = ResidentMemory.resetPeak()
    let pool = try ThreadPool(counts: request.threads, clock: request.profiles ? OperatorClock() : nil)
    defer { pool.stop() }
    progress("loading \(request.model.name) as \(request.variant)")
    let session = try self.session(request, sample, pool)
    var run = TimedRun(session: session, request: request, sample: sample, meter: meter)
    var tiles = request.profiles ? try TileTurns(kernels: kernels, pool: pool) : nil
    try run.samples(progress: progress, isCancelled: isCancelled) { () throws(LanguageRuntimeError) in
      tiles?.sample()
      try between()
    }
    if run.isEmpty { throw RunnerError.interrupted }
    let peak = ResidentMemory.peak()
    let doubts = LoadReading.doubts(between: before, and: LoadReading.now())
    var measurement = run.measurement(
      machine: machine.name, kernels: kernels.name.rawValue, toolVersion: toolVersion,
      isSynthetic: request.weights == nil)
    measurement.mode = sample == nil ? .full : .sampled
    measurement.warnings += doubts.map { Measurement.Warning(kind: $0.kind, message: $0.message) }
    measurement.peakResident = Self.peak(peak, isSampled: sample != nil, canReset: canReset)
    if request.profiles {
      progress("measuring the machine's limits")
      let regionBytes = Calibrator.regionBytes(of: machine)
      let probe = try KernelProbe(kernels: kernels, pool: pool, regionBytes: regionBytes, widest: 256, tokens: 1)
      var limits = OperatorProfile.Limits.measured(on: probe)
      limits.meanwhile.tiles = tiles?.rates
      measurement.profile = run.profile(limits)
    }
    return measurement
  }

  /// Several times the last-level cache.
  private var coldBytes: ByteCount { (machine.processor.lastLevelCache?.size ?? .mebibytes(32)) * Self.coldCaches }
  static let coldCaches = 12

  private static func peak(_ bytes: ByteCount?, isSampled: Bool, canReset: Bool) -> Known<ByteCount> {
    guard !isSampled else { return .unknown(reason: "a sample of the layers was loaded; --full loads all of them") }
    guard let bytes else { return .unknown(reason: "/proc/self/status cannot be read") }
    guard canReset else {
      return .exact(bytes, .measured, source: "VmHWM since the start: the kernel lets nobody reset it here")
    }
    return .exact(bytes, .measured, source: "VmHWM of this run")
  }

  private func checkFit(_ request: MeasurementRequest, _ sample: SampledModel?) throws {
    var model = request.model
    model.architecture = sample?.architecture ?? model.architecture
    model.inventory = sample?.inventory ?? model.inventory
    try Self.checkFit(
      model, variant: request.variant, workload: request.workload, on: machine, threads: request.threads)
  }

  /// Refuses what would not fit, before anything is loaded.
  ///
  /// - Parameter besides: what another model takes that runs with it.
  /// - Throws: `RunnerError.doesNotFit`.
  package static func checkFit(
    _ model: LanguageModelDescription, variant: String, workload: Workload, on machine: HardwareProfile,
    threads: ThreadCounts, besides: ByteCount = .zero
  ) throws {
    let plan = RuntimeMemoryPlan(
      architecture: model.architecture, inventory: model.inventory, workload: workload, threads: threads.most)
    let own = MemoryFootprint(plan: plan, process: ProcessOverhead(machine.calibration)).total.value ?? plan.total
    let needed = own + besides
    guard let usable = machine.memory.usable.value, needed > usable else { return }
    throw RunnerError.doesNotFit(
      model: model.name, variant: variant, needed: needed, usable: usable, source: machine.memory.usable.source)
  }

  private func session(
    _ request: MeasurementRequest, _ sample: SampledModel?, _ pool: ThreadPool
  ) throws -> InferenceSession {
    let architecture = sample?.architecture ?? request.model.architecture
    let weights: any WeightSource =
      if let file = request.weights, sample == nil { file } else {
        try SyntheticWeights(
          inventory: sample?.inventory ?? request.model.inventory, of: architecture, kernels: kernels, pool: pool)
      }
    return try InferenceSession(
      architecture: architecture, weights: weights, workload: request.workload, kernels: kernels, pool: pool)
  }
}
