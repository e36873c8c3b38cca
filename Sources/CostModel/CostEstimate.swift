// SPDX-License-Identifier: Apache-2.0
package import Compression
package import Quantities

/// What limits a phase.
package enum Bound: String, Sendable {
  case memory, compute, overhead, capacity
  /// Exchanges between the places that share the model.
  case transfer
}

/// Whether it fits into what may really be used.
package enum Verdict: String, Sendable {
  /// With room to spare: at most 80 % of the usable memory.
  case comfortable
  /// It fits, but a little more context or another program would push it out.
  case tight
  case no
}

/// What one variant of one model needs and does on one platform.
package struct CostEstimate: Sendable {
  package var model: String
  package var parametersTotal: Int
  package var parametersActive: Int
  package var variant: CompressionVariant
  package var engine: Engine
  package var workload: Workload
  /// The file to fetch or make: tensors exact, a GGUF file's vocabulary estimated.
  package var fileBytes: Known<ByteCount>
  package var bitsPerWeight: Double
  package var memory: MemorySums
  /// All sequences together.
  package var decode: Known<TokenRate>
  /// One prompt.
  package var prefill: Known<TokenRate>
  package var timeToFirstToken: Known<Seconds>
  /// Per generated token, all sequences sharing the step.
  package var energyPerToken: Known<Energy>
  /// Per token of the prompt.
  package var energyPerPromptToken: Known<Energy> = .unknown(reason: "not estimated")
  package var quality: QualityEstimate
  package var decodeTime: PhaseTime?
  package var prefillTime: PhaseTime?
  /// What a decode step and the prompt move and compute.
  var decodeWork: PlacedEnergy.Work?
  var prefillWork: PlacedEnergy.Work?
  package var bound: Bound?
  package var verdict: Verdict?
  /// Where the parts of the model stand, and what each place must hold.
  package var distribution: Distribution?
  package var places: [MemoryPlace] = []
  /// Why the engine cannot run it although its memory is known; nil when it can.
  package var obstacle: Obstacle?

  /// Nil when nobody knows how much memory there is.
  package var fits: Bool? { verdict.map { $0 != .no } }
  /// Of a request: its prompt and its answer.
  package var energyPerRequest: Known<Energy> {
    energyPerPromptToken.map { Energy(joules: $0.joules * Double(workload.promptTokens)) }
      + energyPerToken.map { Energy(joules: $0.joules * Double(workload.generatedTokens)) }
  }
  /// The place that is fullest.
  package var fullestPlace: MemoryPlace? { places.max { $0.load < $1.load } }
  package var bill: EnergyBill { EnergyBill(perToken: energyPerToken, perRequest: energyPerRequest) }
  package var decodePerSequence: Known<TokenRate> { decode.map { $0 / Double(max(1, workload.sequences)) } }
}

/// What keeps an engine from running a variant.
package enum Obstacle: Sendable, Equatable {
  case modelType(String, engine: Engine)
  case format(String, engine: Engine)
  /// Matrices in two factors, or with an adapter beside them.
  case factors(engine: Engine)
  /// The engine does not support what would compute: a maker's devices, or processors.
  case device(String, engine: Engine)
  /// Devices that share every matrix must hold as many heads each.
  case heads(Int, devices: Int, engine: Engine)

  /// Whether the engine's rates still say how fast it would be: of a model without code, not of a format without kernel.
  var allowsTiming: Bool { if case .modelType = self { true } else { false } }

  package var sentence: String {
    switch self {
    case .modelType(let type, let engine):
      "\(engine == .anprobe ? "the built-in runtime" : engine.rawValue) does not run the model type '\(type)' yet"
    case .format(let format, let engine):
      "\(engine == .anprobe ? "the built-in runtime" : engine.rawValue) has no kernel for \(format)"
    case .factors(let engine):
      "\(engine == .anprobe ? "the built-in runtime" : engine.rawValue) does not run such low-rank factors or adapters"
    case .device(let device, let engine): "\(engine.rawValue) does not run on \(device)"
    case .heads(let heads, let devices, let engine):
      "\(engine.rawValue) cannot divide \(heads) heads evenly between \(devices) devices"
    }
  }
}

/// The four sums of a memory estimate, and their sum.
package struct MemorySums: Sendable, Equatable {
  package let weights: Known<ByteCount>
  package let keyValueCache: Known<ByteCount>
  package let compute: Known<ByteCount>
  package let overhead: Known<ByteCount>
  /// Kept, because ranking asks for it again and again.
  package let total: Known<ByteCount>
  private let withoutWeights: Known<ByteCount>
  /// What other models' figures widen the intervals to, each on its own: errors of parts do not add up to those of totals.
  private let margins: MemoryMargins

  private init(
    weights: Known<ByteCount>, keyValueCache: Known<ByteCount>, compute: Known<ByteCount>, overhead: Known<ByteCount>,
    withoutWeights: Known<ByteCount>, margins: MemoryMargins
  ) {
    self.weights = weights.stretched(toAtLeast: margins.weights, source: MemoryMargins.source)
    self.keyValueCache = keyValueCache
    self.compute = compute
    self.overhead = overhead
    self.withoutWeights = withoutWeights
    self.margins = margins
    total = (weights + withoutWeights).stretched(toAtLeast: margins.total, source: MemoryMargins.source)
  }

  package init(_ footprint: MemoryFootprint, margins: MemoryMargins = .none) {
    let (cache, compute, overhead) = (footprint[.keyValueCache], footprint[.compute], footprint[.overhead])
    self.init(
      weights: footprint[.weights],
      keyValueCache: cache.stretched(toAtLeast: margins.cache, source: MemoryMargins.source),
      compute: compute.stretched(toAtLeast: margins.compute, source: MemoryMargins.source), overhead: overhead,
      withoutWeights: cache + compute + overhead, margins: margins)
  }

  /// What is neither weights nor cache.
  var besides: Known<ByteCount> { compute + overhead }

  /// The same with other weights: all that differs between the variants of one model.
  func with(weights: Known<ByteCount>) -> MemorySums {
    MemorySums(
      weights: weights, keyValueCache: keyValueCache, compute: compute, overhead: overhead,
      withoutWeights: withoutWeights, margins: margins)
  }
}

/// One term of a time, memory or energy sum, as shown by `estimate`.
package struct CostTerm: Sendable, Equatable {
  package var phase: String
  package var label: String
  /// For people, with its unit.
  package var amount: String
  /// In the base unit of `unit`.
  package var value: Double?
  package var unit: String
  package var formula: String
  package var basis: Basis

  package init(
    phase: String, label: String, amount: String, value: Double?, unit: String, formula: String, basis: Basis
  ) {
    self.phase = phase
    self.label = label
    self.amount = amount
    self.value = value
    self.unit = unit
    self.formula = formula
    self.basis = basis
  }
}
