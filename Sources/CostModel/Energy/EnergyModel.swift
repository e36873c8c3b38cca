// SPDX-License-Identifier: Apache-2.0
package import Hardware
package import Quantities

/// The energy of a pass where no counter tells it: idle power × time, energy per byte and per operation, bounded by the
/// power limit.
package struct EnergyModel: Sendable {
  /// What a pass moves and computes.
  package struct Work: Sendable, Equatable {
    package var bytes: Double
    package var operations: Double

    package init(bytes: Double, operations: Double) {
      self.bytes = bytes
      self.operations = operations
    }
  }

  /// The parts of a pass's energy, in joules.
  package struct Terms: Sendable, Equatable {
    package var idle: Double
    package var floor: Double
    package var memory: Double
    package var arithmetic: Double
    /// What the power limit allows in the time.
    package var limit: Double

    package var total: Double { min(limit, idle + floor + memory + arithmetic) }
  }

  /// Watts per busy core where no figure is known: walls of machines from Intel N150 (6.5 W per core) and Ryzen AI 5 340
  /// (8.5 W) to Raspberry Pi 5 (3 W) and AmpereOne (2.5 W) running llama.cpp.
  static let wattsPerCore = 5.0
  static let coreFactor = 2.0

  private enum Figures {
    /// Of so many devices that hold the model some work at a time; others beside them take so many watts at rest.
    case device(PowerFacts, count: Double, working: Double, resting: Double)
    case cores(Int)
    case unknown(String)
  }

  private let figures: Figures
  /// Of the power, a factor either way.
  private let margin: Double
  package let source: String

  /// - Parameter margin: of the power, a factor either way; a factor of two where nobody knows.
  package init(device: Accelerator, margin: Double? = nil) {
    self.init(devices: [device], used: 1, working: 1, margin: margin)
  }

  /// - Parameters:
  ///   - devices: of the machine, all of which take their idle power.
  ///   - used: the first so many hold the model; unequal ones count as so many of their mean.
  ///   - working: of these, how many work at the same time.
  ///   - margin: of the power, a factor either way; a factor of two where nobody knows.
  package init(devices: [Accelerator], used: Int, working: Int, margin: Double? = nil) {
    self.margin = margin ?? IntervalRule.unknown.high
    let facts = devices.map(Self.facts)
    let (held, rest) = (facts.prefix(max(1, used)), facts.dropFirst(max(1, used)))
    let known = held.compactMap { $0 }
    guard let first = known.first, known.count == held.count else {
      figures = .unknown(devices.lazy.compactMap(\.power.thermalDesign.reason).first ?? "no power limit is known")
      source = ""
      return
    }
    let count = Double(known.count)
    let mean = PowerFacts(
      idleWatts: known.reduce(0) { $0 + $1.idleWatts } / count,
      limitWatts: known.reduce(0) { $0 + $1.limitWatts } / count, memoryTechnology: first.memoryTechnology)
    let busy = max(1, min(known.count, working))
    figures = .device(
      mean, count: count, working: Double(busy), resting: rest.reduce(0) { $0 + ($1?.idleWatts ?? 0) })
    source =
      (devices.count > 1 ? "\(devices.count) devices, \(busy) working at a time; " : "")
      + "idle × time, energy per byte of \(first.memoryTechnology ?? "usual memory") and per operation, fitted "
      + "to published powers of devices; \(Self.evidence)"
  }

  /// Nil where no power limit is known.
  private static func facts(_ device: Accelerator) -> PowerFacts? {
    device.power.thermalDesign.value.map {
      PowerFacts(
        idleWatts: device.power.idle.value?.watts, limitWatts: $0.watts, memoryTechnology: device.memoryTechnology)
    }
  }

  /// - Parameters:
  ///   - threads: busy cores.
  ///   - margin: of the power, a factor either way; a factor of two where nobody knows.
  package init(processor machine: HardwareProfile, threads: Int, margin: Double? = nil) {
    let margin = margin ?? IntervalRule.unknown.high
    guard let limit = machine.power.thermalDesign.value else {
      figures = .cores(threads)
      let assumed = machine.processor.coreAssumption.map { "\($0), " } ?? ""
      self.margin = assumed.isEmpty ? margin : max(margin, 1 / AssumedCores.range.lowerBound)
      source = "\(threads) cores × 5 W, \(assumed)from small machines at the wall; no counter"
      return
    }
    self.margin = margin
    // A part of the cores takes its part of the package.
    let share = min(1, Double(threads) / Double(max(1, machine.processor.coreCount)))
    figures = .device(
      PowerFacts(
        idleWatts: machine.power.idle.value.map { $0.watts * share }, limitWatts: limit.watts * share,
        memoryTechnology: machine.memory.technology), count: 1, working: 1, resting: 0)
    let part = share < 1 ? "\(threads) of \(machine.processor.coreCount) cores' share of the package; " : ""
    source =
      part + "idle × time, energy per byte of \(machine.memory.technology ?? "usual memory") and per operation; "
      + Self.evidence
  }

  private static let evidence = "no counter; 90 % interval from machines left out of the fit"

  /// Why no energy is told; nil when it is.
  package var reason: String? { if case .unknown(let reason) = figures { reason } else { nil } }

  package func terms(_ work: Work, seconds: Double) -> Terms? {
    switch figures {
    case .unknown: return nil
    case .cores(let count):
      let joules = Double(count) * Self.wattsPerCore * seconds
      return Terms(idle: 0, floor: joules, memory: 0, arithmetic: 0, limit: joules)
    case .device(let facts, let count, let working, let resting):
      let coefficients = PowerCoefficients.published
      let share = facts.hasGraphicsMemory ? coefficients.graphicsFloorShare : coefficients.floorShare
      let perByte = MemoryEnergy.picojoulesPerByte(facts.memoryTechnology) * coefficients.byteScale * 1e-12
      return Terms(
        idle: (facts.idleWatts * count + resting) * seconds,
        floor: (facts.limitWatts - facts.idleWatts) * share * working * seconds,
        memory: perByte * work.bytes, arithmetic: coefficients.picojoulesPerOperation * 1e-12 * work.operations,
        limit: (facts.limitWatts * working + facts.idleWatts * (count - working) + resting) * seconds)
    }
  }

  /// Joules of a pass that takes `seconds` and yields `tokens`, for one of them.
  package func perToken(_ work: Work, seconds: Known<Seconds>, tokens: Double) -> Known<Energy> {
    if let reason { return .unknown(reason: reason) }
    guard let value = seconds.value, let low = seconds.low, let high = seconds.high,
      let middle = terms(work, seconds: value.seconds), let least = terms(work, seconds: low.seconds),
      let most = terms(work, seconds: high.seconds)
    else { return .unknown(reason: seconds.reason ?? "the time is not known") }
    // Errors of power and of time are independent: their logarithms add up as squares.
    func end(_ time: Double, _ power: Double) -> Double {
      let (time, power) = (Logarithm.natural(time), Logarithm.natural(power))
      return Logarithm.exponential((time * time + power * power).squareRoot())
    }
    return .known(
      Energy(joules: middle.total / tokens),
      low: Energy(
        joules: middle.total / end(middle.total / max(least.total, .leastNormalMagnitude), powerMargin) / tokens),
      high: Energy(
        joules: middle.total * end(most.total / max(middle.total, .leastNormalMagnitude), powerMargin) / tokens),
      basis: max(.modelled, seconds.basis), source: source)
  }

  private var powerMargin: Double {
    if case .cores = figures { Self.coreFactor } else { margin }
  }
}

extension EnergyModel.Work {
  init(_ pass: PassWork) {
    self.init(
      bytes: pass.weightBytes + pass.cacheBytes, operations: pass.operations.sum() + pass.attentionOperations)
  }
}
