// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import CostModel
import JSONText
import Quantities

/// What energy costs, in money and in carbon dioxide.
struct TariffOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Price of a kilowatt-hour, in any currency.", valueName: "price"))
  var price: Double?

  @Option(
    help: ArgumentHelp(
      "Carbon of the grid: a country's code such as DE, or grams of CO2e per kilowatt-hour.", valueName: "region"),
    transform: { text in
      guard let grid = GridIntensity(text) else {
        throw ValidationError(
          "'\(text)' is no region of the table and no number of grams per kilowatt-hour. The regions are "
            + "\(GridIntensity.regions.keys.sorted().joined(separator: ", ")).")
      }
      return grid
    })
  var grid: GridIntensity?

  func validate() throws {
    guard price.map({ $0.isFinite && (0...1000).contains($0) }) ?? true else {
      throw ValidationError("'--price' is no price of a kilowatt-hour from 0 to 1000.")
    }
  }

  /// One line of the bill.
  struct Line {
    var name: String
    var key: String
    var value: Double
    var low: Double
    var high: Double
    var basis: String

    /// Three significant digits.
    func text(_ value: Double) -> String {
      QuantityFormat.fixed(value, decimals: value >= 100 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : value >= 0.01 ? 4 : 6)
    }
  }

  func lines(_ bill: EnergyBill) -> [Line] {
    tokenLines(bill) + requestLines(bill)
  }

  private func tokenLines(_ bill: EnergyBill) -> [Line] {
    Self.known([
      ("Wh per 1,000 tokens", "wattHoursPerThousandTokens", bill.wattHoursPerThousand, "energy / 3600 × 1000"),
      ("tokens per joule", "tokensPerJoule", bill.tokensPerJoule, "1 / energy"),
      (
        "cost of 1,000,000 tokens", "costPerMillionTokens", price.flatMap { bill.costPerMillion(price: $0) },
        "energy × \(price ?? 0) per kWh"
      ),
      (
        "g CO2e per 1,000 tokens", "gramsCO2ePerThousandTokens", grid.flatMap(bill.gramsPerThousand),
        gridBasis
      ),
    ])
  }

  private func requestLines(_ bill: EnergyBill) -> [Line] {
    Self.known([
      ("Wh per request", "wattHoursPerRequest", bill.wattHoursPerRequest, "prompt and answer"),
      (
        "cost of 1,000 requests", "costPerThousandRequests", price.flatMap { bill.costPerThousandRequests(price: $0) },
        "energy × \(price ?? 0) per kWh"
      ),
      ("g CO2e per request", "gramsCO2ePerRequest", grid.flatMap(bill.gramsPerRequest), gridBasis),
    ])
  }

  private var gridBasis: String {
    "energy × \(QuantityFormat.fixed(grid?.gramsPerKilowattHour ?? 0, decimals: 0)) g/kWh, \(grid?.source ?? "")"
  }

  /// A line for each amount that is known, of name, key and basis.
  private static func known(_ amounts: [(String, String, EnergyBill.Amount?, String)]) -> [Line] {
    amounts.compactMap { name, key, amount, basis in
      amount.map { Line(name: name, key: key, value: $0.value, low: $0.low, high: $0.high, basis: basis) }
    }
  }

  func json(_ bill: EnergyBill) -> JSON {
    .object(
      lines(bill).map { line in
        .init(line.key, ["value": .number(line.value), "low": .number(line.low), "high": .number(line.high)])
      })
  }
}
