// SPDX-License-Identifier: Apache-2.0
internal import Compression
internal import Hardware
internal import LanguageModel
internal import Quantities

extension CostEstimator {
  /// Every term of an estimate with its formula and basis.
  package func terms(of estimate: CostEstimate) -> [CostTerm] {
    memoryTerms(footprint(estimate.variant)) + timeTerms(estimate) + energyTerms(estimate) + qualityTerms(estimate)
  }

  private func memoryTerms(_ footprint: MemoryFootprint) -> [CostTerm] {
    footprint.items.map { item in
      CostTerm(
        phase: "memory", label: item.label, amount: item.bytes.value.map(\.description) ?? "unknown",
        value: item.bytes.value?.magnitude, unit: "bytes", formula: item.formula, basis: item.bytes.basis)
    }
  }

  private func timeTerms(_ estimate: CostEstimate) -> [CostTerm] {
    guard case .success(let speed) = platform.speed else { return [] }
    let decode = estimate.decodeTime.map { terms(of: $0, "decode", "per step", speed) } ?? []
    let prefill = estimate.prefillTime.map { terms(of: $0, "prefill", "for the prompt", speed) } ?? []
    return decode + prefill
  }

  private func terms(of time: PhaseTime, _ phase: String, _ span: String, _ speed: any SpeedModel) -> [CostTerm] {
    let parts: [(String, Double, String)] = [
      ("products with weights", time.weights, "sum over formats of bytes or operations / rate, \(span)"),
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
    guard let watts = platform.energy.power.value else { return [] }
    return [
      CostTerm(
        phase: "energy", label: "power while decoding", amount: watts.description, value: watts.watts, unit: "watts",
        formula: platform.energy.power.source ?? "", basis: platform.energy.power.basis)
    ]
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
