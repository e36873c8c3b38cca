// SPDX-License-Identifier: Apache-2.0

/// What an engine makes of the vendor's figures of one class of devices.
///
/// A pass takes `(memoryᵖ + arithmeticᵖ)^(1/p) + cache or attention + launches`: bytes and operations overlap, the rest
/// does not.
package struct Efficiency: Sendable, Equatable {
  /// The coefficients that differ between classes.
  package enum Coefficient: Int, Sendable, CaseIterable {
    /// Share of the peak bandwidth at which weights are read.
    case bandwidthShare
    /// Seconds that a layer takes to launch in a step.
    case layerSeconds
    /// Share of the vector units' rate that decoding weights reaches.
    case vectorShare
    /// Share of the peak bandwidth at which the cache is read.
    case cacheShare
    /// Share of the dense peak that products reach.
    case matrixShare
    /// Seconds that a layer takes to launch in a micro-batch of a prompt.
    case promptLayerSeconds
    /// Share of the dense peak that attention within a prompt reaches.
    case attentionShare

    package var name: String {
      switch self {
      case .bandwidthShare: "bandwidthShare"
      case .layerSeconds: "layerSeconds"
      case .vectorShare: "vectorShare"
      case .cacheShare: "cacheShare"
      case .matrixShare: "matrixShare"
      case .promptLayerSeconds: "promptLayerSeconds"
      case .attentionShare: "attentionShare"
      }
    }
  }

  /// In the order of `Coefficient`; the eighth lane is unused.
  package var values: SIMD8<Double>
  /// Vector operations per weight, by family.
  package var decodingCost: FamilyValues
  /// Matrix operations per operation of the model, by family.
  package var productCost: FamilyValues
  /// How much longer layers with experts take to launch, and their products to compute, as an addition to 1.
  package var expertLaunch: Double
  package var expertProduct: Double
  /// How much longer attention takes without flash attention, as an addition to 1: in a step, and in a prompt.
  package var plainStep: Double
  package var plainPrompt: Double

  /// The norm in which a step's bytes and operations add: processors the second, devices the third. A prompt's are added.
  package enum Overlap: String, Sendable { case none, partial, large }
  package var overlap: Overlap

  package init(
    values: SIMD8<Double>, decodingCost: FamilyValues, productCost: FamilyValues, expertLaunch: Double,
    expertProduct: Double, plainStep: Double, plainPrompt: Double, overlap: Overlap
  ) {
    self.values = values
    self.decodingCost = decodingCost
    self.productCost = productCost
    self.expertLaunch = expertLaunch
    self.expertProduct = expertProduct
    self.plainStep = plainStep
    self.plainPrompt = plainPrompt
    self.overlap = overlap
  }

  package subscript(coefficient: Coefficient) -> Double { values[coefficient.rawValue] }

  /// Up to this many tokens per step the weights are decoded for the vector units; beyond it products take the matrix units.
  static let vectorTokens = 1.0

  /// The terms of one pass, in seconds.
  package struct Terms: Sendable {
    package var memory = 0.0
    package var arithmetic = 0.0
    /// Reading the cache in a step; attention within a prompt.
    package var attention = 0.0
    package var launches = 0.0
    /// Exchanges between devices that share the model.
    package var transfer = 0.0

    /// How far bytes and operations overlap.
    package var overlap = Overlap.none

    package var weights: Double {
      switch overlap {
      case .none: memory + arithmetic
      case .partial: (memory * memory + arithmetic * arithmetic).squareRoot()
      case .large: root(memory * memory * memory + arithmetic * arithmetic * arithmetic)
      }
    }
    package var total: Double { weights + attention + launches + transfer }
  }

  package func terms(_ pass: PassWork, on device: DeviceRates) -> Terms {
    var terms = Terms()
    terms.memory = pass.weightBytes / (self[.bandwidthShare] * device.bandwidth)
    if usesVectors(pass) {
      terms.arithmetic = (pass.elements * decodingCost).sum() / (self[.vectorShare] * device.vectorRate)
    } else {
      let factor = pass.hasExperts ? 1 + expertProduct : 1
      terms.arithmetic =
        (pass.operations * productCost).sum() * factor / (self[.matrixShare] * device.matrixRate)
    }
    terms.overlap = pass.isPrompt ? .none : overlap
    if pass.isPrompt {
      terms.attention = pass.attentionOperations / (self[.attentionShare] * device.matrixRate)
    } else {
      terms.attention = pass.cacheBytes / (self[.cacheShare] * device.bandwidth)
    }
    if pass.hasPlainAttention { terms.attention *= 1 + (pass.isPrompt ? plainPrompt : plainStep) }
    let launch = self[pass.isPrompt ? .promptLayerSeconds : .layerSeconds]
    terms.launches = pass.layers * pass.launches * launch * (pass.hasExperts ? 1 + expertLaunch : 1)
    return terms
  }

  func usesVectors(_ pass: PassWork) -> Bool { !pass.isPrompt && pass.tokens <= Self.vectorTokens }
}

/// The cube root by Newton's steps from a power of two, exact to about 15 digits; this floor imports no library.
func root(_ value: Double) -> Double {
  guard value > 0, value.isFinite else { return value }
  let exponent = Int(value.exponent)
  let third = exponent >= 0 ? exponent / 3 : (exponent - 2) / 3
  let scaled = Double(sign: .plus, exponent: -3 * third, significand: value)
  var guess = 0.75 + scaled / 4
  for _ in 0..<6 { guess = (2 * guess + scaled / (guess * guess)) / 3 }
  return Double(sign: .plus, exponent: third, significand: guess)
}
