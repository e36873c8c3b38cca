// SPDX-License-Identifier: Apache-2.0
package import Hardware
package import Quantities

/// A foreign engine on a machine known by its vendor's figures, with coefficients fitted to published speeds.
package struct FittedSpeed: SpeedModel {
  package let basis = Basis.modelled
  package let source: String
  let engine: Engine
  private let rates: DeviceRates
  private let efficiency: Efficiency
  private let errors: EngineEfficiencies.Group
  private let classKey: String
  private let kind: DeviceKind
  /// What a processor may come down and up to, of whose cores and pages nobody tells.
  private let slowest: DeviceRates
  private let fastest: DeviceRates

  private init(
    _ engine: Engine, _ kind: DeviceKind, _ efficiencies: EngineEfficiencies, name: String, origin: String,
    bounds: (slowest: DeviceRates, fastest: DeviceRates)? = nil,
    rates: (EngineEfficiencies.Group, EngineGroup) -> DeviceRates
  ) throws(NoSpeed) {
    guard let key = EngineGroup(engine, kind), let group = efficiencies.groups[key] else {
      throw NoSpeed("no published speeds of \(engine.rawValue) are at hand")
    }
    let rates = rates(group, key)
    classKey = key.classKey(engine, rates.deviceClass)
    self.engine = engine
    self.kind = kind
    self.rates = rates
    efficiency = group.classes[classKey]
    errors = group
    slowest = bounds?.slowest ?? rates
    fastest = bounds?.fastest ?? rates
    source =
      "\(origin) of \(name) × efficiencies of \(engine.rawValue) fitted to \(group.rows) published speeds on "
      + "\(group.machines) machines; 90 % interval from machines left out of the fit"
  }

  /// - Throws: `NoSpeed` when the bandwidth or the engine is not known.
  package init(_ engine: Engine, device: Accelerator, _ efficiencies: EngineEfficiencies) throws(NoSpeed) {
    let kind: DeviceKind = device.hasUnifiedMemory || device.kind != .gpu ? .unified : .gpu
    let known = try DeviceRates(device)
    try self.init(engine, kind, efficiencies, name: device.name, origin: "vendor's figures") { _, _ in known }
  }

  /// - Parameters:
  ///   - threads: the threads to run with.
  ///   - measured: read bandwidth that was measured here, which beats the vendor's.
  /// - Throws: `NoSpeed` when no bandwidth is known.
  package init(
    _ engine: Engine, processor machine: HardwareProfile, threads: Int, measured: Double?,
    _ efficiencies: EngineEfficiencies
  ) throws(NoSpeed) {
    guard let peak = measured ?? machine.memory.peakBandwidth.value?.magnitude else {
      throw NoSpeed("the memory bandwidth of \(machine.name) is not known; 'anprobe probe --calibrate' measures it")
    }
    let reach = ProcessorReach(machine, threads: threads)
    let known = DeviceRates(
      machine.processor, vendor: machine.processor.vendor, threads: threads,
      bandwidth: measured ?? reach.bandwidth(of: peak))
    let assumed = machine.processor.coreAssumption.map { "\(machine.processor.coreCount) cores assumed, \($0); " } ?? ""
    let origin =
      measured == nil
      ? "\(assumed)\(reach.sentence(of: peak).map { "\($0); " } ?? "")vendor's figures"
      : "bandwidth measured here and vendor's rates"
    try self.init(
      engine, .processor, efficiencies, name: machine.name, origin: origin,
      // Whoever measured told nothing of where pages lie on several nodes.
      bounds: measured == nil ? Self.bounds(machine, threads, peak) : nil
    ) { group, key in
      guard measured != nil else { return known }
      // What was measured is what is achieved: the fitted share must not be taken from it again.
      var rates = known
      rates.bandwidth /= group.classes[key.classKey(engine, known.deviceClass)][.bandwidthShare]
      return rates
    }
  }

  /// The rates with the fewest and the most cores that a processor may have, its pages spread or near.
  private static func bounds(
    _ machine: HardwareProfile, _ threads: Int, _ peak: Double
  ) -> (slowest: DeviceRates, fastest: DeviceRates) {
    func rates(_ share: Double, pagesAreSpread: Bool) -> DeviceRates {
      var machine = machine
      let stated = machine.processor.coreCount
      machine.processor.coreCount = max(1, Int((Double(stated) * share).rounded()))
      let threads = threads < stated ? threads : machine.processor.coreCount
      let reach = ProcessorReach(machine, threads: threads)
      return DeviceRates(
        machine.processor, vendor: machine.processor.vendor, threads: threads,
        bandwidth: reach.bandwidth(of: peak) / (pagesAreSpread ? reach.remoteFactor : 1))
    }
    let range = machine.processor.coreAssumption == nil ? 1...1 : AssumedCores.range
    return (rates(range.lowerBound, pagesAreSpread: true), rates(range.upperBound, pagesAreSpread: false))
  }

  package func decodeStep(_ work: VariantWork, _ model: ModelWork) throws(NoSpeed) -> PhaseTime {
    time(.step(work, model, by: engine), .decode)
  }

  package func prefill(_ work: VariantWork, _ model: ModelWork) throws(NoSpeed) -> PhaseTime {
    time(.prompt(work, model, by: engine), .prefill)
  }

  /// - Parameters:
  ///   - group: equal devices that share the model; nil for one.
  ///   - isShared: whether it is one of several that hold parts of it.
  func time(
    _ pass: PassWork, _ quantity: SpeedObservation.Quantity, sharedBy group: DeviceGroup? = nil, isShared: Bool = false
  ) -> PhaseTime {
    let terms = efficiency.terms(pass, on: rates, sharedBy: group)
    let isOfSeveral = kind == .gpu && (isShared || (group?.devices ?? 1) > 1)
    let interval = errors.interval(classKey, isOfSeveral ? .gpus : kind, quantity)
    var time = PhaseTime()
    time.weightTransfer = terms.memory
    time.weights = terms.weights
    time.attention = terms.attention
    time.attentionTransfer = pass.isPrompt ? 0 : terms.attention
    time.overhead = terms.launches
    time.transfer = terms.transfer
    // Errors of several devices are those of their exchanges too, but for a link that nobody tells.
    let doubt = group?.link.errorDoubt ?? 1
    let exchanged = terms.transfer / max(terms.total, .leastNormalMagnitude)
    func times(_ bound: DeviceRates) -> Double {
      bound == rates ? 1 : efficiency.terms(pass, on: bound).total / max(terms.total, .leastNormalMagnitude)
    }
    // The interval is of rates; a rate twice the predicted one is half the time.
    time.range = (
      (1 - exchanged + exchanged / doubt) * times(fastest) / interval.high,
      (1 - exchanged + exchanged * doubt) * times(slowest) / interval.low
    )
    return time
  }
}
