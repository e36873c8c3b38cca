// SPDX-License-Identifier: Apache-2.0
internal import CostModel
internal import Evidence
internal import HardwareProbe
internal import Inference
internal import LanguageModel
internal import Quantities

/// The samples of one measurement.
struct TimedRun {
  let session: InferenceSession
  let request: MeasurementRequest
  /// Nil for a whole model.
  let sample: SampledModel?
  private var prefill: [Double] = []
  private var decode: [Double] = []
  private var prefillTally = OperatorTally()
  private var decodeTally = OperatorTally()
  private var isComplete = false
  private var energy: EnergyTally
  /// By turns with tokens, where they are profiled.
  private var reads = RateSum()

  /// Tokens that a sampled decode sample generates, in the middle of the generation.
  private static let sampledTokens = 16
  /// Above this scatter a sample set carries a warning.
  private static let noisy = 0.05

  /// Sequences that decode together.
  private var sequences: Int { session.sequences }

  init(
    session: InferenceSession, request: MeasurementRequest, sample: SampledModel?,
    meter: Result<EnergyMeter, EnergyMeter.Unavailable>
  ) {
    self.session = session
    self.request = request
    self.sample = sample
    energy = EnergyTally(meter, isSampled: sample != nil)
  }

  /// Stopped before the first sample.
  var isEmpty: Bool { !isComplete && prefill.isEmpty }

  private var promptTokens: Int { max(1, request.workload.promptTokens) }
  /// A model that is its own sample is not run longer than a larger one.
  private var decodeTokens: Int {
    let generated = request.workload.generatedTokens
    return request.mode == .full ? generated : min(Self.sampledTokens, generated)
  }

  /// Tokens that nobody chose: every id is in the vocabulary.
  private func tokens(_ count: Int) -> [Int32] {
    let vocabulary = session.architecture.vocabularySize
    return (0..<count).map { Int32(($0 * 7919 + 13) % vocabulary) }
  }

  /// - Parameter between: called before and after each timed stretch, to measure something else by turns.
  mutating func samples(
    progress: (String) -> Void, isCancelled: () -> Bool, between: () throws(LanguageRuntimeError) -> Void = {}
  ) throws(LanguageRuntimeError) {
    let prompt = tokens(promptTokens)
    progress("warming up")
    // The first pass fills caches and wakes the clock; its time is not kept.
    try session.logits(after: Array(prompt.prefix(32)))
    try session.logits(after: [1])
    guard !request.onlyMemory else {
      isComplete = true
      return
    }
    energy.start()
    defer { energy.finish() }
    rest(progress, isCancelled)
    try between()
    for round in 0..<max(1, request.samples) {
      if isCancelled() { return }
      progress("sample \(round + 1) of \(request.samples)")
      session.truncate()
      let start = energy.mark()
      let seconds = try timed(
        [(0, prompt)], scale: sample?.promptScale ?? 1, layers: sample?.promptLayers ?? .max, &prefillTally)
      energy.add(.prefill, from: start, seconds: seconds, tokens: promptTokens)
      prefill.append(Double(promptTokens) / seconds)
      try between()
      if isCancelled() { return }
      guard decodeTokens > 0 else { continue }
      try decodeSample()
      try between()
    }
    isComplete = true
  }

  /// Seconds of one pass, as if all layers had run: the layers' time is multiplied with `scale`.
  private func timed(
    _ inputs: [(sequence: Int, tokens: [Int32])], scale: Double, layers: Int, _ tally: inout OperatorTally
  ) throws(LanguageRuntimeError) -> Double {
    let clock = session.pool.clock
    let start = Timing.now()
    _ = clock?.take()
    try session.run(inputs, layers: layers)
    let middle = Timing.now()
    let body = clock?.take()
    session.headLogits()
    let seconds = (middle - start) * scale + Timing.now() - middle
    if let head = clock?.take(), let body {
      let tokens = inputs.reduce(0) { $0 + $1.tokens.count }
      tally.add(tokens: tokens, seconds: seconds, body: body.operators, scale: scale, head: head.operators)
      tally.add(stages: body.layers.map { $0 * scale } + [head.operators.total])
    }
    return seconds
  }

  private mutating func decodeSample() throws(LanguageRuntimeError) {
    // All sequences hold the same prompt: what is in a cache does not change how long reading it takes.
    for sequence in 0..<sequences { session.copy(sequence: 0, to: sequence) }
    let tokens = tokens(decodeTokens)
    let weights = request.profiles ? WeightReads(of: session) : nil
    let step = request.profiles ? max(1, tokens.count / Self.readTurns) : tokens.count
    var seconds = 0.0
    for first in stride(from: 0, to: tokens.count, by: step) {
      if let weights { reads.add { Double(weights.run()) } }
      seconds += try decodeSample(tokens[first..<min(first + step, tokens.count)])
    }
    decode.append(Double(decodeTokens * sequences) / seconds)
  }
  private static let readTurns = 8

  private mutating func decodeSample(_ tokens: ArraySlice<Int32>) throws(LanguageRuntimeError) -> Double {
    let start = energy.mark()
    var seconds = 0.0
    for token in tokens {
      seconds += try timed(
        (0..<sequences).map { ($0, [token]) }, scale: sample?.scale ?? 1, layers: .max, &decodeTally)
    }
    energy.add(.decode, from: start, seconds: seconds, tokens: tokens.count * sequences)
    return seconds
  }

  /// Lets the machine rest for the time that was asked for, with the model loaded and its threads asleep.
  private mutating func rest(_ progress: (String) -> Void, _ isCancelled: () -> Bool) {
    guard let seconds = request.idleSeconds else { return }
    progress("measuring the machine at rest")
    Timing.sleep(Self.settlingSeconds)
    let start = energy.mark()
    let end = Timing.now() + seconds
    while Timing.now() < end, !isCancelled() { Timing.sleep(min(0.1, max(0.001, end - Timing.now()))) }
    energy.addIdle(from: start)
  }

  /// Threads spin for a moment before they sleep.
  private static let settlingSeconds = 0.2

  func measurement(machine: String, kernels: String, toolVersion: String, isSynthetic: Bool) -> Measurement {
    var measurement = Measurement(
      date: Timing.date(), toolVersion: toolVersion, machine: machine, model: request.model.name,
      variant: request.variant, inventoryDigest: request.model.inventory.digest, isSynthetic: isSynthetic,
      threads: session.pool.counts.decode, threadsBatch: session.pool.counts.prefill, kernels: kernels, mode: .full,
      contextTokens: request.workload.contextTokens,
      sequences: sequences, keyValueFormat: request.workload.keyValueFormat.rawValue,
      prefill: phase(promptTokens, prefill),
      decode: phase(decodeTokens, decode), allocated: session.plan.total, energyPerToken: energy.perToken(.decode),
      warnings: warnings + energy.warnings, isComplete: isComplete)
    measurement.energyPerPromptToken = energy.perToken(.prefill)
    measurement.power = energy.details
    return measurement
  }

  /// The operators' times beside their work and the machine's limits.
  func profile(_ limits: OperatorProfile.Limits) -> OperatorProfile {
    var workload = request.workload
    workload.promptTokens = promptTokens
    workload.generatedTokens = decodeTokens
    let work = OperatorWork(request.model, workload, arithmetic: session.kernels.arithmetic)
    var limits = limits
    limits.meanwhile.readBytesPerSecond = reads.rate
    return OperatorProfile(
      prefill: prefillTally.phase(work.prefill, ofTokens: promptTokens, sampleTokens: promptTokens),
      decode: decodeTally.phase(work.decode, ofTokens: 1, sampleTokens: decodeTokens), limits: limits)
  }

  private func phase(_ tokens: Int, _ rates: [Double]) -> Measurement.Phase? {
    rates.isEmpty ? nil : .init(tokens: tokens, tokensPerSecond: SampleStatistics(rates))
  }

  private var warnings: [Measurement.Warning] {
    [("prefill", prefill), ("decode", decode)].compactMap { name, rates in
      let scatter = SampleStatistics(rates).coefficientOfVariation
      guard scatter > Self.noisy else { return nil }
      return Measurement.Warning(
        kind: "noise",
        message: "The \(name) samples scatter by \(QuantityFormat.fixed(scatter * 100, decimals: 0)) %; "
          + "stop other work and measure again.")
    }
  }
}
