// SPDX-License-Identifier: Apache-2.0
internal import Compression
internal import Hardware
internal import LanguageModel
internal import Quantities

extension CostEstimator {
  /// Every term of an estimate with its formula and basis; the estimate's figures tell their sources.
  package func terms(of estimate: CostEstimate) -> [CostTerm] {
    let footprint = footprint(estimate.variant)
    return memoryTerms(footprint) + placeTerms(estimate) + roomTerms(estimate, footprint) + timeTerms(estimate)
      + energyTerms(estimate) + qualityTerms(estimate)
  }

  private func memoryTerms(_ footprint: MemoryFootprint) -> [CostTerm] {
    footprint.items.map { item in
      CostTerm(
        phase: "memory", label: item.label, amount: item.bytes.value.map(\.description) ?? "unknown",
        value: item.bytes.value?.magnitude, unit: "bytes", formula: item.formula, basis: item.bytes.basis)
    }
  }

  /// What each place holds of a model that does not stand in one alone.
  private func placeTerms(_ estimate: CostEstimate) -> [CostTerm] {
    guard platform.mayShare, let distribution = estimate.distribution else { return [] }
    return estimate.places.map { place in
      CostTerm(
        phase: "place", label: place.name, amount: place.needed.description, value: place.needed.magnitude,
        unit: "bytes",
        formula: "\(place.layers) of \(distribution.layers) layers; "
          + (place.usable.value.map { "\($0) can be used" } ?? "how much there is nobody knows"), basis: .modelled)
    }
  }

  /// What a serving engine has left for its cache, and how many sequences of the context it holds.
  private func roomTerms(_ estimate: CostEstimate, _ footprint: MemoryFootprint) -> [CostTerm] {
    guard [.vllm, .sglang, .tensorRT].contains(platform.engine), let weights = footprint[.weights].value else {
      return []
    }
    let placement = platform.placement(
      parallel: estimate.distribution?.parallel ?? 1, stages: estimate.distribution?.stages ?? 1)
    let memory = ServingMemory(description.architecture, weights: weights, workload, placement)
    guard let room = memory.room?.value, let count = memory.concurrency else { return [] }
    return [
      CostTerm(
        phase: "room", label: "for the cache", amount: room.description, value: room.magnitude, unit: "bytes",
        formula: "\(QuantityFormat.fixed(placement.share * 100, decimals: 0)) % of the device less the rest",
        basis: .modelled),
      CostTerm(
        phase: "room", label: "sequences at once", amount: "\(count)", value: Double(count), unit: "sequences",
        formula: "of \(workload.contextTokens) tokens each, in blocks of 16", basis: .modelled),
    ]
  }

  private func timeTerms(_ estimate: CostEstimate) -> [CostTerm] {
    guard case .success(let speed) = estimate.distribution.map(platform.speed) ?? platform.speed else { return [] }
    let kernels = platform.engine == .anprobe ? "" : kernels(estimate.variant).map { "\($0); " }.joined()
    let words = platform.engine == .anprobe ? TimeWords.measured : TimeWords.fitted
    let decode = estimate.decodeTime.map { terms(of: $0, "decode", "per step", speed, kernels, words) } ?? []
    let prefill = estimate.prefillTime.map { terms(of: $0, "prefill", "for the prompt", speed, kernels, words) } ?? []
    return decode + prefill
  }

  private func terms(
    of time: PhaseTime, _ phase: String, _ span: String, _ speed: any SpeedModel, _ kernels: String, _ words: TimeWords
  ) -> [CostTerm] {
    let isPrompt = phase == "prefill"
    var parts: [(String, Double, String)] = [
      ("products with weights", time.weights, kernels + words.weights),
      ("attention", time.attention, isPrompt ? words.promptAttention : words.attention),
    ]
    if let elementwise = words.elementwise {
      parts.append(("norms, rotations, activations", time.elementwise, elementwise))
    }
    parts.append(("starting and joining", time.overhead, words.overhead))
    if time.transfer > 0 { parts.append(("exchange between places", time.transfer, words.transfer)) }
    var terms = parts.map { label, seconds, formula in
      CostTerm(
        phase: phase, label: label, amount: Seconds(seconds).description, value: seconds, unit: "seconds",
        formula: "\(formula), \(span)", basis: speed.basis)
    }
    if time.onProcessor > 0 {
      terms.append(
        CostTerm(
          phase: "\(phase), of this", label: "on the processor", amount: Seconds(time.onProcessor).description,
          value: time.onProcessor, unit: "seconds", formula: "its layers at its own rates, \(span)", basis: speed.basis)
      )
    }
    return terms
  }

  /// How each term of a time comes about, in words.
  private struct TimeWords {
    var weights: String
    var attention: String
    var promptAttention: String
    /// Nil where the term is part of the others.
    var elementwise: String?
    var overhead: String
    var transfer = "bytes / link and its latency"

    static let measured = TimeWords(
      weights: "sum over formats of bytes or operations / measured rate",
      attention: "cached bytes or operations / measured rate", promptAttention: "operations / measured rate",
      elementwise: "bytes of activations / measured rate", overhead: "jobs × measured barrier")
    static let fitted = TimeWords(
      weights: "bytes / share of the bandwidth and operations / share of the arithmetic rates, overlapping in a step",
      attention: "cached bytes / share of the bandwidth",
      promptAttention: "operations / share of the dense rate", elementwise: nil,
      overhead: "layers and 8 more × fitted seconds of a layer, norms and rotations in them")
  }

  private func energyTerms(_ estimate: CostEstimate) -> [CostTerm] {
    func energy(_ threads: Int) -> PlacedEnergy { PlacedEnergy(platform, estimate.distribution, threads: threads) }
    let (step, prompt) = (energy(platform.threads.decode), energy(platform.threads.prefill))
    return energyTerms("energy, decode", "per step", step, estimate.decodeWork, estimate.decodeTime)
      + energyTerms("energy, prefill", "for the prompt", prompt, estimate.prefillWork, estimate.prefillTime)
  }

  private func energyTerms(
    _ phase: String, _ span: String, _ energy: PlacedEnergy, _ work: PlacedEnergy.Work?, _ time: PhaseTime?
  ) -> [CostTerm] {
    guard let work, let time else { return [] }
    let main = terms(of: energy.main, work.main, time.total, phase, span)
    guard let beside = energy.beside, let rest = work.beside else { return main }
    return main + terms(of: beside, rest, time.onProcessor, "\(phase), processor", span)
  }

  private func terms(
    of energy: EnergyModel, _ work: EnergyModel.Work, _ seconds: Double, _ phase: String, _ span: String
  ) -> [CostTerm] {
    guard let terms = energy.terms(work, seconds: seconds) else { return [] }
    let parts = [
      ("at rest", terms.idle, "idle power × time"), ("active floor", terms.floor, "share of the power limit × time"),
      ("moving bytes", terms.memory, "\(Self.billions(work.bytes)) bytes × energy per byte"),
      ("arithmetic", terms.arithmetic, "\(Self.billions(work.operations)) operations × energy per operation"),
      ("at most", terms.limit, "power limit × time"),
    ]
    return parts.filter { $0.1 > 0 }.map { label, joules, formula in
      CostTerm(
        phase: phase, label: label, amount: Energy(joules: joules).description, value: joules, unit: "joules",
        formula: "\(formula), \(span)", basis: .modelled)
    }
  }

  private static func billions(_ value: Double) -> String {
    QuantityFormat.fixed(value / 1e9, decimals: 2) + " billion"
  }

  private func qualityTerms(_ estimate: CostEstimate) -> [CostTerm] {
    let loss = estimate.quality.loss
    return [
      CostTerm(
        phase: "quality", label: "loss against the original", amount: loss.value?.description ?? "unknown",
        value: loss.value?.nats, unit: "nats per token", formula: loss.source ?? loss.reason ?? "", basis: loss.basis)
    ]
  }
}
