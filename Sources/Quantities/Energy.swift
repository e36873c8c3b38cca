// SPDX-License-Identifier: Apache-2.0

/// Energy in joules.
package struct Energy: AdditiveQuantity {
  package var joules: Double
  package init(magnitude: Double) { joules = magnitude }
  package init(joules: Double) { self.joules = joules }
  package var magnitude: Double { joules }
  package static var keySuffix: String { "Joules" }
}

/// Power in watts.
package struct Power: AdditiveQuantity {
  package var watts: Double
  package init(magnitude: Double) { watts = magnitude }
  package init(watts: Double) { self.watts = watts }
  package var magnitude: Double { watts }
  package static var keySuffix: String { "Watts" }

  package static func * (left: Power, right: Seconds) -> Energy { Energy(joules: left.watts * right.seconds) }
}

extension Energy {
  package static func / (left: Energy, right: Seconds) -> Power { Power(watts: left.joules / right.seconds) }
}
