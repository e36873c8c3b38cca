// SPDX-License-Identifier: Apache-2.0
internal import Evidence
internal import HardwareProbe
internal import Quantities

/// The energy of one measurement: when its phases ran, and what the meter says of those times.
struct EnergyTally {
  enum Phase: Hashable { case prefill, decode }

  private struct Stretch {
    var windows: [EnergyTrack.Window] = []
    /// Seconds as if the whole model had run, and the tokens of that time.
    var seconds = 0.0
    var tokens = 0
  }

  private let meter: Result<EnergyMeter, EnergyMeter.Unavailable>
  /// Whether a sample of the layers stands for the model.
  private let isSampled: Bool
  private var phases: [Phase: Stretch] = [:]
  private var idle: EnergyTrack.Window?

  init(_ meter: Result<EnergyMeter, EnergyMeter.Unavailable>, isSampled: Bool) {
    self.meter = meter
    self.isSampled = isSampled
  }

  private var live: EnergyMeter? { try? meter.get() }

  func start() { live?.start() }

  /// The moment, with a reading of every source.
  func mark() -> Double { live?.sample() ?? 0 }

  /// Counts what ran from a mark until now.
  mutating func add(_ phase: Phase, from start: Double, seconds: Double, tokens: Int) {
    phases[phase, default: Stretch()].windows.append(.init(start: start, end: mark()))
    phases[phase]?.seconds += seconds
    phases[phase]?.tokens += tokens
  }

  /// Counts the rest of a machine that does nothing from a mark until now.
  mutating func addIdle(from start: Double) { idle = .init(start: start, end: mark()) }

  /// Ends sampling; to be called once after the last phase.
  func finish() {
    let last = (phases.values.flatMap(\.windows) + [idle].compactMap { $0 }).map(\.end).max()
    live?.finish(covering: last ?? 0)
  }

  /// Joules of one token: mean power over the readings, times the time of a token.
  func perToken(_ phase: Phase) -> Known<Energy> {
    energy(phase) { $0.meanPower(in: $1) }
  }

  private func energy(
    _ phase: Phase, _ power: (EnergyMeter, [EnergyTrack.Window]) -> Result<MeanPower, MeterFailure>
  ) -> Known<Energy> {
    switch meter {
    case .failure(let failure): return .unknown(reason: failure.reason)
    case .success(let meter):
      guard let stretch = phases[phase], stretch.tokens > 0 else { return .unknown(reason: "no token was timed") }
      switch power(meter, stretch.windows) {
      case .failure(let failure): return .unknown(reason: failure.reason)
      case .success(let power):
        let seconds = stretch.seconds / Double(stretch.tokens)
        return .known(
          Energy(joules: power.watts * seconds), low: Energy(joules: power.low * seconds),
          high: Energy(joules: power.high * seconds), basis: basis(meter), source: source(meter, power))
      }
    }
  }

  /// A scaled time is a formula with measured constants; a power that somebody gave is his figure.
  private func basis(_ meter: EnergyMeter) -> Basis {
    meter.isGiven ? .published : isSampled ? .calibrated : .measured
  }

  private func source(_ meter: EnergyMeter, _ power: MeanPower) -> String {
    let part = power.coverage < Self.whole ? ", told for \(Self.percent(power.coverage)) of the time" : ""
    return meter.description + part + (isSampled ? "; power of a sample of the layers × scaled time" : "")
  }

  /// Below it the meter missed some of the run.
  private static let whole = 0.995

  private static func percent(_ share: Double) -> String { "\(QuantityFormat.fixed(share * 100, decimals: 0)) %" }

  /// What the meter showed of the decoding beside its energy per token.
  var details: MeasuredPower? {
    guard let meter = live, let decode = phases[.decode] else { return nil }
    let idlePower = idle.map { Self.known(meter.meanPower(in: [$0]), meter) }
    return MeasuredPower(
      meter: meter.description, decode: Self.known(meter.meanPower(in: decode.windows), meter), idle: idlePower,
      aboveIdlePerToken: idle.map { idle in
        energy(.decode) { meter, windows in Self.aboveIdle(meter, windows, idle) }
      },
      parts: meter.parts(in: decode.windows).map { .init(name: $0.name, power: Self.known(.success($0.power), meter)) })
  }

  private static func aboveIdle(
    _ meter: EnergyMeter, _ windows: [EnergyTrack.Window], _ idle: EnergyTrack.Window
  ) -> Result<MeanPower, MeterFailure> {
    // A machine at rest may take so little that a counter does not move.
    let rest = (try? meter.meanPower(in: [idle]).get()) ?? MeanPower(watts: 0, low: 0, high: 0)
    return meter.meanPower(in: windows).map { power in
      MeanPower(
        watts: max(0, power.watts - rest.watts), low: max(0, power.low - rest.high),
        high: max(0, power.high - rest.low), coverage: min(power.coverage, rest.coverage))
    }
  }

  private static func known(_ power: Result<MeanPower, MeterFailure>, _ meter: EnergyMeter) -> Known<Power> {
    switch power {
    case .failure(let failure): .unknown(reason: failure.reason)
    case .success(let power):
      .known(
        Power(watts: power.watts), low: Power(watts: power.low), high: Power(watts: power.high),
        basis: meter.isGiven ? .published : .measured, source: meter.description)
    }
  }

  var warnings: [Measurement.Warning] {
    guard let meter = live, let decode = phases[.decode] else { return [] }
    var messages = meter.doubts.map { "Energy, \($0)." }
    if let power = try? meter.meanPower(in: decode.windows).get(), power.coverage < Self.whole {
      messages.append(
        "Energy: the meter told \(Self.percent(power.coverage)) of the decoding; its mean power there stands for all.")
    }
    return messages.map { .init(kind: "meter", message: $0) }
  }
}
