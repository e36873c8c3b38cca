// SPDX-License-Identifier: Apache-2.0
internal import Compression
internal import Hardware
internal import LanguageModel
internal import Quantities

extension CostEstimator {
  /// Every term of an estimate with its formula and basis.
  package func terms(of estimate: CostEstimate) -> [CostTerm] {
    memoryTerms(footprint(estimate.variant)) + roomTerms(footprint(estimate.variant)) + timeTerms(estimate)
      + energyTerms(estimate) + qualityTerms(estimate)
  }

  private func memoryTerms(_ footprint: MemoryFootprint) -> [CostTerm] {
    footprint.items.map { item in
      CostTerm(
        phase: "memory", label: item.label, amount: item.bytes.value.map(\.description) ?? "unknown",
        value: item.bytes.value?.magnitude, unit: "bytes", formula: item.formula, basis: item.bytes.basis)
    }
  }

  /// What a serving engine has left for its cache, and how many sequences of the context it holds.
  private func roomTerms(_ footprint: MemoryFootprint) -> [CostTerm] {
    guard [.vllm, .sglang, .tensorRT].contains(platform.engine), let weights = footprint[.weights].value else {
      return []
    }
    let memory = ServingMemory(description.architecture, weights: weights, workload, platform.placement)
    guard let room = memory.room?.value, let count = memory.concurrency else { return [] }
    return [
      CostTerm(
        phase: "room", label: "for the cache", amount: room.description, value: room.magnitude, unit: "bytes",
        formula: "\(QuantityFormat.fixed(platform.placement.share * 100, decimals: 0)) % of the device less the rest",
        basis: .modelled),
      CostTerm(
        phase: "room", label: "sequences at once", amount: "\(count)", value: Double(count), unit: "sequences",
        formula: "of \(workload.contextTokens) tokens each, in blocks of 16", basis: .modelled),
    ]
  }

  private func timeTerms(_ estimate: CostEstimate) -> [CostTerm] {
    guard case .success(let speed) = platform.speed else { return [] }
    let kernels = platform.engine == .anprobe ? "" : kernels(estimate.variant).map { "\($0); " }.joined()
    let decode = estimate.decodeTime.map { terms(of: $0, "decode", "per step", speed, kernels) } ?? []
    let prefill = estimate.prefillTime.map { terms(of: $0, "prefill", "for the prompt", speed, kernels) } ?? []
    return decode + prefill
  }

  private func terms(
    of time: PhaseTime, _ phase: String, _ span: String, _ speed: any SpeedModel, _ kernels: String
  ) -> [CostTerm] {
    let parts: [(String, Double, String)] = [
      ("products with weights", time.weights, "\(kernels)sum over formats of bytes or operations / rate, \(span)"),
      ("attention", time.attention, "cached bytes or operations / rate, \(span)"),
      ("norms, rotations, activations", time.elementwise, "bytes of activations / rate, \(span)"),
      ("starting and joining", time.overhead, "jobs × measured or cited overhead, \(span)"),
    ]
    return parts.map { label, seconds, formula in
      CostTerm(
        phase: phase, label: label, amount: Seconds(seconds).description, value: seconds, unit: "seconds",
        formula: "\(formula); \(speed.source)", basis: speed.basis)
    }
  }

  private func energyTerms(_ estimate: CostEstimate) -> [CostTerm] {
    energyTerms("energy, decode", "per step", estimate.decodeWork, estimate.decodeTime)
      + energyTerms("energy, prefill", "for the prompt", estimate.prefillWork, estimate.prefillTime)
  }

  private func energyTerms(
    _ phase: String, _ span: String, _ work: EnergyModel.Work?, _ time: PhaseTime?
  ) -> [CostTerm] {
    guard let work, let time, let terms = platform.energy.terms(work, seconds: time.total) else { return [] }
    let parts = [
      ("at rest", terms.idle, "idle power × time"), ("active floor", terms.floor, "share of the power limit × time"),
      ("moving bytes", terms.memory, "\(Self.billions(work.bytes)) bytes × energy per byte"),
      ("arithmetic", terms.arithmetic, "\(Self.billions(work.operations)) operations × energy per operation"),
      ("at most", terms.limit, "power limit × time"),
    ]
    return parts.filter { $0.1 > 0 }.map { label, joules, formula in
      CostTerm(
        phase: phase, label: label, amount: Energy(joules: joules).description, value: joules, unit: "joules",
        formula: "\(formula), \(span); \(platform.energy.source)", basis: .modelled)
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
