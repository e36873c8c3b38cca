// SPDX-License-Identifier: Apache-2.0

/// A physical amount, stored in its base unit.
///
/// JSON carries the bare magnitude under a key that ends in the unit (`weightsBytes`, `energyJoulesPerToken`).
package protocol Quantity: Sendable, Hashable, Comparable, Codable {
  /// The amount in the base unit of the type (bytes, seconds, joules ...).
  var magnitude: Double { get }
  init(magnitude: Double)
  /// The suffix of a JSON key that carries this amount, for example `BytesPerSecond`.
  static var keySuffix: String { get }
}

extension Quantity {
  package static func < (left: Self, right: Self) -> Bool { left.magnitude < right.magnitude }
  package init(from decoder: any Decoder) throws {
    self.init(magnitude: try decoder.singleValueContainer().decode(Double.self))
  }
  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(magnitude)
  }
}

/// A quantity that can be added to its own kind and scaled by a bare number.
package protocol AdditiveQuantity: Quantity {}

extension AdditiveQuantity {
  package static var zero: Self { Self(magnitude: 0) }
  package static func + (left: Self, right: Self) -> Self { Self(magnitude: left.magnitude + right.magnitude) }
  package static func - (left: Self, right: Self) -> Self { Self(magnitude: left.magnitude - right.magnitude) }
  package static func += (left: inout Self, right: Self) { left = left + right }
  package static func * (left: Self, right: Double) -> Self { Self(magnitude: left.magnitude * right) }
  package static func / (left: Self, right: Double) -> Self { Self(magnitude: left.magnitude / right) }
  /// The ratio of two amounts of one kind.
  package static func / (left: Self, right: Self) -> Double { left.magnitude / right.magnitude }
}
