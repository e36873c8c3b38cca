// SPDX-License-Identifier: Apache-2.0

/// The seconds of a measurement and their derivatives by the logarithm of each coefficient.
struct SpeedGradient {
  private(set) var seconds = 0.0
  private var common = SIMD8<Double>()
  private var decoding = FamilyValues()
  private var product = FamilyValues()
  private var expertLaunch = 0.0
  private var expertProduct = 0.0
  private var plain = (step: 0.0, prompt: 0.0)
  private let parameters: SpeedParameters
  private let classPosition: Int?

  init(_ parameters: SpeedParameters, _ classKey: String) {
    self.parameters = parameters
    classPosition = parameters.position(of: classKey)
  }

  mutating func add(_ pass: PassWork, count: Double, _ efficiency: Efficiency, _ rates: DeviceRates) {
    let terms = efficiency.terms(pass, on: rates)
    seconds += count * terms.total
    let (memory, arithmetic) = (count * terms.slopes.memory, count * terms.slopes.arithmetic)
    func slot(_ coefficient: Efficiency.Coefficient) -> Int { coefficient.rawValue }
    common[slot(.bandwidthShare)] -= memory
    common[slot(pass.isPrompt ? .attentionShare : .cacheShare)] -= count * terms.attention
    common[slot(pass.isPrompt ? .promptLayerSeconds : .layerSeconds)] += count * terms.launches
    if efficiency.usesVectors(pass) {
      common[slot(.vectorShare)] -= arithmetic
      let costs = pass.elements * efficiency.decodingCost
      decoding += costs * (arithmetic / max(costs.sum(), .leastNormalMagnitude))
    } else {
      common[slot(.matrixShare)] -= arithmetic
      let costs = pass.operations * efficiency.productCost
      product += costs * (arithmetic / max(costs.sum(), .leastNormalMagnitude))
      if pass.hasExperts { expertProduct += arithmetic * efficiency.expertProduct / (1 + efficiency.expertProduct) }
    }
    if pass.hasPlainAttention {
      let factor = pass.isPrompt ? efficiency.plainPrompt : efficiency.plainStep
      let slope = count * terms.attention * factor / (1 + factor)
      if pass.isPrompt { plain.prompt += slope } else { plain.step += slope }
    }
    if pass.hasExperts {
      expertLaunch += count * terms.launches * efficiency.expertLaunch / (1 + efficiency.expertLaunch)
    }
  }

  /// Where the derivatives that are not zero stand in the vector of parameters.
  var derivatives: [(index: Int, value: Double)] {
    var result: [(index: Int, value: Double)] = []
    result.reserveCapacity(36)
    for lane in 0..<SpeedParameters.perClass where common[lane] != 0 {
      result.append((lane, common[lane]))
      if let classPosition {
        result.append((parameters.classStart + SpeedParameters.perClass * classPosition + lane, common[lane]))
      }
    }
    for family in 0..<SpeedParameters.families {
      if decoding[family] != 0 { result.append((parameters.decodingStart + family, decoding[family])) }
      if product[family] != 0 { result.append((parameters.productStart + family, product[family])) }
    }
    if expertLaunch != 0 { result.append((parameters.expertStart, expertLaunch)) }
    if expertProduct != 0 { result.append((parameters.expertStart + 1, expertProduct)) }
    if plain.step != 0 { result.append((parameters.expertStart + 2, plain.step)) }
    if plain.prompt != 0 { result.append((parameters.expertStart + 3, plain.prompt)) }
    return result
  }
}

extension Efficiency.Terms {
  /// Derivatives of the weights' seconds by the logarithms of both parts: of a p-norm, partᵖ / normᵖ⁻¹.
  fileprivate var slopes: (memory: Double, arithmetic: Double) {
    let norm = max(weights, .leastNormalMagnitude)
    func slope(_ part: Double) -> Double {
      switch overlap {
      case .none: part
      case .partial: part * part / norm
      case .large: part * part * part / (norm * norm)
      }
    }
    return (slope(memory), slope(arithmetic))
  }
}
