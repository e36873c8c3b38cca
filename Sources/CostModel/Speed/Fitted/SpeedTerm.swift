// SPDX-License-Identifier: Apache-2.0

/// A part of the time model that can be taken away, to see what it is worth.
package enum SpeedTerm: String, Sendable, CaseIterable {
  case launches
  case arithmetic = "arithmetic of a step"
  case cache = "cache and attention"
  case formats = "costs of formats"
  case classes = "classes of devices"
  case experts = "launches and products of experts"
  case crowding = "weights of machines"
  case robustness = "heavy tails of errors"
}

extension SpeedPrior {
  /// What is never fitted stays where it starts.
  private static let frozen = 1e-3
  /// Seconds and shares at which a term no longer counts.
  private static let nothing = 1e-12
  private static let everything = 1e6
  /// At this spread nearly every error counts by its square.
  private static let wide = 2.0

  /// The same beliefs without one of the terms.
  func without(_ term: SpeedTerm) -> SpeedPrior {
    var prior = self
    switch term {
    case .launches: prior.freeze([.layerSeconds, .promptLayerSeconds], at: Self.nothing)
    case .arithmetic: prior.freeze([.vectorShare], at: Self.everything)
    case .cache: prior.freeze([.cacheShare, .attentionShare], at: Self.everything)
    case .formats:
      prior.decodingCost = [Double](repeating: 6, count: decodingCost.count)
      prior.productCost = [Double](repeating: 1, count: productCost.count)
      (prior.decodingSpread, prior.productSpread) = (Self.frozen, Self.frozen)
    case .classes: prior.classSpread = [Double](repeating: Self.frozen, count: classSpread.count)
    case .experts:
      prior.expert[0] = Self.nothing
      prior.expert[1] = Self.nothing
    case .crowding: prior.crowding = 0
    case .robustness: prior.scale = Self.wide
    }
    return prior
  }

  private mutating func freeze(_ coefficients: [Efficiency.Coefficient], at value: Double) {
    for coefficient in coefficients {
      common[coefficient.rawValue] = value
      commonSpread[coefficient.rawValue] = Self.frozen
      classSpread[coefficient.rawValue] = Self.frozen
    }
  }
}
