// SPDX-License-Identifier: Apache-2.0
package import Compression
internal import Hardware
package import LanguageModel
internal import Quantities

/// Estimates every variant of one model on one platform; what the variants share is computed once.
package struct CostEstimator: Sendable {
  package let description: LanguageModelDescription
  package let platform: Platform
  package let workload: Workload
  private let quality: QualityModel
  private let census: TensorCensus
  private let work: ModelWork
  private let parameters: (total: Int, active: Int)
  private let headerBytes: ByteCount
  /// As published; a variant changes their bytes.
  private let weights: RuntimeWeights
  /// Matrices in factors or with adapters that the engine does not run.
  private let hasFactors: Bool
  /// Whether the built-in runtime has code for the model.
  private let isRunnable: Bool
  /// Everything but the weights.
  private let base: MemorySums
  /// The same with room for a copy of each product's input.
  private let baseWithCopy: MemorySums
  private let placer: Placer

  package init(
    _ description: LanguageModelDescription, on platform: Platform, workload: Workload, quality: QualityModel
  ) {
    self.description = description
    self.platform = platform
    self.workload = workload
    self.quality = quality
    census = TensorCensus(description)
    work = ModelWork(description.architecture, workload)
    parameters = (description.parametersTotal, description.parametersActive)
    headerBytes = GGUFFileSize.headerBytes(description)
    weights = RuntimeWeights(description.inventory)
    hasFactors = !platform.engine.runsFactors(of: description)
    isRunnable = RuntimeSupport.runs(description)
    var beside = weights.withoutBytes
    beside.copiesInput = false
    let none = beside
    func sums(_ weights: RuntimeWeights, _ placement: EngineMemory.Placement) -> MemorySums {
      MemorySums(
        Self.footprint(description.architecture, platform, workload, weights, placement),
        margins: platform.memoryMargins)
    }
    base = sums(none, platform.placement())
    beside.copiesInput = true
    baseWithCopy = sums(beside, platform.placement())
    placer = Placer(description, on: platform, workload) { sums(none, $0) }
  }

  /// The estimator of what a variant's changes of shape leave of the model.
  ///
  /// - Throws: `CompressionError.notApplicable` for a model whose shapes do not allow a step.
  package func restructured(for variant: CompressionVariant) throws(CompressionError) -> CostEstimator {
    guard !variant.structure.isEmpty || variant.student != nil else { return self }
    return CostEstimator(
      try variant.restructured(description), on: platform, workload: workload, quality: quality)
  }

  /// - Precondition: the model has the variant's changes of shape already; see `restructured(for:)`.
  package func estimate(_ variant: CompressionVariant) -> CostEstimate {
    let summary = variant.summary(of: census)
    let placed = placed(summary)
    let verdict = Verdict.ofAll(placed.places.map(\.verdict))
    var estimate = CostEstimate(
      model: description.name, parametersTotal: parameters.total, parametersActive: parameters.active,
      variant: variant, engine: platform.engine, workload: workload, fileBytes: fileBytes(variant, summary),
      bitsPerWeight: summary.bitsPerWeight, memory: placed.memory, decode: .unknown(reason: ""),
      prefill: .unknown(reason: ""), timeToFirstToken: .unknown(reason: ""), energyPerToken: .unknown(reason: ""),
      quality: quality.estimate(variant, model: description.name, bitsPerWeight: summary.bitsPerWeight),
      decodeTime: nil, prefillTime: nil, bound: nil, verdict: verdict, obstacle: obstacle(summary))
    (estimate.distribution, estimate.places) = (placed.distribution, placed.places)
    let variantWork = VariantWork(summary, work, isInRuntime: platform.engine == .anprobe)
    let speed = platform.speed(placed.distribution)
    apply(
      decode: phase(speed) { speed throws(NoSpeed) in try speed.decodeStep(variantWork, work) },
      prefill: phase(speed) { speed throws(NoSpeed) in try speed.prefill(variantWork, work) }, of: variantWork, speed,
      to: &estimate)
    if verdict == .no { estimate.bound = .capacity }
    return estimate
  }

  /// Where the variant's parts stand, and what that takes.
  private func placed(_ summary: VariantSummary) -> Placer.Placed {
    guard platform.engine == .anprobe else {
      return placer.place(summary, EngineMemory.loaded(summary.alignedBytes))
    }
    let memory = summary.copiesInput ? baseWithCopy : base
    return placer.onProcessor(memory.with(weights: .exact(summary.runtimeBytes + weights.vectorBytes, .modelled)))
  }

  private func fileBytes(_ variant: CompressionVariant, _ summary: VariantSummary) -> Known<ByteCount> {
    guard variant.isGGUF else { return .exact(summary.bytes, .modelled) }
    let tensors = summary.alignedBytes
    return .known(
      tensors + headerBytes, low: tensors + headerBytes * 0.5, high: tensors + headerBytes * 2, basis: .modelled,
      source: "tensors exact, header and vocabulary estimated")
  }

  /// How the engine's products treat the weights of a variant, in words.
  func kernels(_ variant: CompressionVariant) -> [String] {
    let rules = EngineRules.of(platform.engine)
    let kinds = Set(variant.summary(of: census).entries.compactMap { rules.formats($0.format) })
    return kinds.map { kind in
      kind == .packed && !workload.hasFusedKernels && !rules.readsGGUF
        ? "weights unpacked in many small operations, without a fused kernel" : kind.rawValue
    }.sorted()
  }

  /// What keeps the engine from running it, if anything: a format without kernel before a model type without code.
  private func obstacle(_ summary: VariantSummary) -> Obstacle? {
    if hasFactors { return .factors(engine: platform.engine) }
    let engine = platform.engine
    if engine == .anprobe {
      if let entry = summary.entries.first(where: { $0.format.kernelSupport == .none }) {
        return .format(entry.format.name, engine: .anprobe)
      }
      return isRunnable ? nil : .modelType(description.architecture.modelType, engine: .anprobe)
    }
    if let device = platform.unsupportedDevice { return .device(device, engine: engine) }
    if let (heads, devices) = placer.undivided { return .heads(heads, devices: devices, engine: engine) }
    let formats = EngineRules.of(engine).formats
    return summary.entries.first { formats($0.format) == nil }.map { .format($0.format.name, engine: engine) }
  }

  /// One phase's time, or why it is not known: a missing arithmetic rate leaves the decode speed known.
  private func phase(
    _ speed: Result<any SpeedModel, NoSpeed>, _ time: (any SpeedModel) throws(NoSpeed) -> PhaseTime
  ) -> Result<PhaseTime, NoSpeed> {
    switch speed {
    case .failure(let reason): return .failure(reason)
    case .success(let speed):
      do { return .success(try time(speed)) } catch { return .failure(error) }
    }
  }

  private func apply(
    decode: Result<PhaseTime, NoSpeed>, prefill: Result<PhaseTime, NoSpeed>, of variant: VariantWork,
    _ speed: Result<any SpeedModel, NoSpeed>, to estimate: inout CostEstimate
  ) {
    let sequences = Double(max(1, workload.sequences))
    let prompt = Double(min(workload.promptTokens, workload.contextTokens))
    let step = known(decode, speed, estimate.obstacle)
    let first = known(prefill, speed, estimate.obstacle)
    estimate.decode = step.map { TokenRate(magnitude: sequences / $0.seconds) }
    estimate.prefill = first.map { TokenRate(magnitude: prompt / $0.seconds) }
    estimate.timeToFirstToken = first + step
    (estimate.decodeTime, estimate.prefillTime) = (try? decode.get(), try? prefill.get())
    let energy = PlacedEnergy(platform, estimate.distribution, threads: platform.threads.decode)
    let promptEnergy = PlacedEnergy(platform, estimate.distribution, threads: platform.threads.prefill)
    let (stepWork, promptWork) = energy.work(variant, work)
    estimate.energyPerToken = energy.perToken(stepWork, step, estimate.decodeTime, tokens: sequences)
    estimate.energyPerPromptToken = promptEnergy.perToken(promptWork, first, estimate.prefillTime, tokens: prompt)
    (estimate.decodeWork, estimate.prefillWork) = (stepWork, promptWork)
    estimate.bound = estimate.decodeTime?.bound
  }

  private func known(
    _ time: Result<PhaseTime, NoSpeed>, _ speed: Result<any SpeedModel, NoSpeed>, _ obstacle: Obstacle?
  ) -> Known<Seconds> {
    if let obstacle, !obstacle.allowsTiming { return .unknown(reason: obstacle.sentence) }
    switch (time, speed) {
    case (.success(let time), .success(let speed)): return known(Seconds(time.total), time, speed)
    case (.failure(let failure), _), (_, .failure(let failure)):
      return .unknown(reason: failure.reason)
    }
  }

  private func known(_ seconds: Seconds, _ time: PhaseTime, _ speed: any SpeedModel) -> Known<Seconds> {
    .known(
      seconds, low: seconds * time.range.low, high: seconds * time.range.high, basis: speed.basis, source: speed.source)
  }

  /// The footprint of a variant item by item.
  package func footprint(_ variant: CompressionVariant) -> MemoryFootprint {
    var weights = weights
    let summary = variant.summary(of: census)
    weights.alignedBytes = platform.engine == .anprobe ? summary.runtimeBytes : summary.alignedBytes
    weights.copiesInput = summary.copiesInput
    let distribution = placed(summary).distribution
    let placement =
      distribution.usesDevices
      ? platform.placement(parallel: distribution.parallel, stages: distribution.stages) : platform.processorPlacement
    return Self.footprint(description.architecture, platform, workload, weights, placement)
  }

  private static func footprint(
    _ architecture: ModelArchitecture, _ platform: Platform, _ workload: Workload, _ weights: RuntimeWeights,
    _ placement: EngineMemory.Placement
  ) -> MemoryFootprint {
    switch platform.engine {
    case .anprobe:
      let plan = RuntimeMemoryPlan(
        architecture: architecture, weights: weights, workload: workload, threads: platform.threads.most)
      return MemoryFootprint(plan: plan, process: ProcessOverhead(platform.machine.calibration))
    default:
      return MemoryFootprint(
        items: EngineMemory.items(
          platform.engine, architecture, weights: weights.alignedBytes, workload, placement))
    }
  }
}
