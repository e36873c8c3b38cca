// SPDX-License-Identifier: Apache-2.0
import CostModel
import Evidence
import Quantities

/// The energy of a measurement for people, with its interval, its meter and its bill.
struct MeasuredEnergyFace {
  let measurement: Measurement
  let tariff: TariffOptions

  var lines: [String] {
    let power = measurement.power
    let watts = power.map { [("Power while decoding", $0.decode)] } ?? []
    let idle = power?.idle.map { [("Power at rest", $0)] } ?? []
    let above = power?.aboveIdlePerToken.map { [Self.line("  of it above the machine at rest", $0)] } ?? []
    return [Self.line("Energy per token", measurement.energyPerToken)]
      + above
      + [Self.line("Energy per token of the prompt", measurement.energyPerPromptToken)]
      + (watts + idle).map { Self.line($0.0, $0.1) } + parts
      + tariff.lines(EnergyBill(perToken: measurement.energyPerToken)).map {
        "\($0.name): \($0.text($0.value)) (\($0.text($0.low)) to \($0.text($0.high))), \($0.basis)"
      }
  }

  /// Several sources, or what is shown beside the counted ones.
  private var parts: [String] {
    guard let power = measurement.power, power.parts.count > 1 else { return [] }
    return power.parts.map { Self.line("  \($0.name)", $0.power, tellsSource: false) }
  }

  private static func line<Value: CustomStringConvertible>(
    _ name: String, _ known: Known<Value>, tellsSource: Bool = true
  ) -> String {
    guard let value = known.value, let low = known.low, let high = known.high else {
      return "\(name): unknown: \(known.reason ?? "")"
    }
    let source = tellsSource ? known.source.map { ", \(known.basis.rawValue): \($0)" } ?? "" : ""
    return "\(name): \(value) (\(low) to \(high))\(source)"
  }
}
