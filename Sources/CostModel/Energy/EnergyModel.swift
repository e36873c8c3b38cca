// SPDX-License-Identifier: Apache-2.0
package import Hardware
package import Quantities

/// The energy of a pass where no counter tells it: a power while working times the time.
package struct EnergyModel: Sendable {
  /// A device's share of its power limit while it decodes.
  ///
  /// - Source: ML.ENERGY leaderboard (2026-02), H100 and B200: 0.8 × limit × time missed measured energy by 10 to 16 %
  ///   in the median; other devices are less alike.
  static let deviceShare = 0.8
  static let deviceFactor = 1.5
  /// A processor at full load takes about this share of its thermal design power (EPYC 8024P: 46 of 90 W).
  static let processorShare = 0.65
  /// Watts per busy core where no figure is known: walls of machines from Intel N150 (6.5 W per core) and Ryzen AI 5 340
  /// (8.5 W) to Raspberry Pi 5 (3 W) and AmpereOne (2.5 W) running llama.cpp.
  static let wattsPerCore = 5.0
  static let processorFactor = 2.0

  /// Power while working, with its interval as a factor; unknown where no figure leads to one.
  package let power: Known<Power>

  package init(device: Accelerator, count: Int) {
    power = Self.scaled(
      device.power.thermalDesign.map { $0 * Double(count) }, share: Self.deviceShare, factor: Self.deviceFactor,
      source: "0.8 × power limit, as datacentre devices take it; no counter")
  }

  /// - Parameter threads: busy cores.
  package init(processor machine: HardwareProfile, threads: Int) {
    let limit = machine.power.thermalDesign
    guard limit.value == nil else {
      power = Self.scaled(
        limit, share: Self.processorShare, factor: Self.processorFactor,
        source: "0.65 × thermal design power; no counter")
      return
    }
    let watts = Power(watts: Self.wattsPerCore * Double(threads))
    power = .known(
      watts, low: watts / Self.processorFactor, high: watts * Self.processorFactor, basis: .modelled,
      source: "\(threads) cores × 5 W, from small machines at the wall; no counter")
  }

  private static func scaled(_ limit: Known<Power>, share: Double, factor: Double, source: String) -> Known<Power> {
    guard let watts = limit.value.map({ $0 * share }) else {
      return .unknown(reason: limit.reason ?? "no power figure")
    }
    return .known(watts, low: watts / factor, high: watts * factor, basis: .modelled, source: source)
  }

  /// Joules for a pass of `seconds` that yields `tokens`.
  package func perToken(seconds: Known<Seconds>, tokens: Double) -> Known<Energy> {
    guard case .known(let watts, let low, let high, let basis, let source) = power else {
      return .unknown(reason: power.reason ?? "")
    }
    guard let value = seconds.value else { return .unknown(reason: seconds.reason ?? "") }
    // The factor covers the time's own error, which is far smaller.
    return .known(
      watts * value / tokens, low: low * value / tokens, high: high * value / tokens, basis: max(basis, seconds.basis),
      source: source)
  }
}
