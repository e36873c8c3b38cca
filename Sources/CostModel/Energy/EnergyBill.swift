// SPDX-License-Identifier: Apache-2.0
package import Quantities

/// Grams of CO₂ equivalent that a kilowatt-hour stands for.
package struct GridIntensity: Sendable, Equatable {
  package var gramsPerKilowattHour: Double
  /// Where the figure is from.
  package var source: String

  package init(gramsPerKilowattHour: Double, source: String) {
    self.gramsPerKilowattHour = gramsPerKilowattHour
    self.source = source
  }

  /// Means of 2023 by country, location-based; hours differ by a factor of up to three.
  ///
  /// - Source: Our World in Data and Ember, as CodeCarbon ships them.
  package static let regions: [String: Double] = [
    "AT": 111, "AU": 549, "BE": 138, "BR": 98, "CA": 170, "CH": 35, "CN": 582, "CZ": 450, "DE": 381, "DK": 152,
    "ES": 174, "FI": 79, "FR": 56, "GB": 238, "IE": 291, "IN": 713, "IS": 28, "IT": 331, "JP": 485, "KR": 431,
    "NL": 268, "NO": 30, "PL": 662, "SE": 41, "US": 369, "WORLD": 475, "ZA": 708,
  ]

  /// A region's code or a number of grams per kilowatt-hour; nil for anything else.
  package init?(_ text: String) {
    if let grams = Double(text), grams.isFinite, (0...5000).contains(grams) {
      self.init(gramsPerKilowattHour: grams, source: "given")
    } else if let grams = Self.regions[text.uppercased()] {
      self.init(
        gramsPerKilowattHour: grams, source: "mean of 2023 in \(text.uppercased()), Ember and Our World in Data")
    } else {
      return nil
    }
  }
}

/// What the energy of a token, and of a whole request, comes to in the units of bills.
package struct EnergyBill: Sendable, Equatable {
  static let joulesPerKilowattHour = 3.6e6

  package typealias Amount = (value: Double, low: Double, high: Double)

  /// Of a token of the answer.
  package let perToken: Known<Energy>
  /// Of a prompt and its answer.
  package let perRequest: Known<Energy>

  package init(perToken: Known<Energy>, perRequest: Known<Energy> = .unknown(reason: "no request is described")) {
    self.perToken = perToken
    self.perRequest = perRequest
  }

  private static func bounded(_ energy: Known<Energy>, _ value: (Double) -> Double) -> Amount? {
    guard let middle = energy.value, let low = energy.low, let high = energy.high, low.joules > 0 else { return nil }
    let ends = [value(low.joules), value(high.joules)].sorted()
    return (value(middle.joules), ends[0], ends[1])
  }

  package var wattHoursPerThousand: Amount? { Self.bounded(perToken) { $0 / 3.6 } }
  package var tokensPerJoule: Amount? { Self.bounded(perToken) { 1 / $0 } }
  package var wattHoursPerRequest: Amount? { Self.bounded(perRequest) { $0 / 3600 } }

  /// For a million tokens, in the currency of the price per kilowatt-hour.
  package func costPerMillion(price: Double) -> Amount? {
    Self.bounded(perToken) { $0 * 1e6 / Self.joulesPerKilowattHour * price }
  }

  /// For a thousand requests.
  package func costPerThousandRequests(price: Double) -> Amount? {
    Self.bounded(perRequest) { $0 * 1e3 / Self.joulesPerKilowattHour * price }
  }

  /// Grams for a thousand tokens.
  package func gramsPerThousand(_ grid: GridIntensity) -> Amount? {
    Self.bounded(perToken) { $0 * 1e3 / Self.joulesPerKilowattHour * grid.gramsPerKilowattHour }
  }

  package func gramsPerRequest(_ grid: GridIntensity) -> Amount? {
    Self.bounded(perRequest) { $0 / Self.joulesPerKilowattHour * grid.gramsPerKilowattHour }
  }
}
