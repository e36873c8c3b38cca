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
  /// How many times longer a processor's reads may take, where pages lie on other nodes.
  private let remoteFactor: Double

  private init(
    _ engine: Engine, _ kind: DeviceKind, _ efficiencies: EngineEfficiencies, name: String, origin: String,
    remoteFactor: Double = 1, rates: (EngineEfficiencies.Group, EngineGroup) -> DeviceRates
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
    self.remoteFactor = remoteFactor
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
    let origin =
      measured == nil
      ? "\(reach.sentence(of: peak).map { "\($0); " } ?? "")vendor's figures"
      : "bandwidth measured here and vendor's rates"
    try self.init(
      engine, .processor, efficiencies, name: machine.name, origin: origin,
      remoteFactor: measured == nil ? reach.remoteFactor : 1
    ) { group, key in
      guard measured != nil else { return known }
      // What was measured is what is achieved: the fitted share must not be taken from it again.
      var rates = known
      rates.bandwidth /= group.classes[key.classKey(engine, known.deviceClass)][.bandwidthShare]
      return rates
    }
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
    // Whoever measured told nothing of where pages lie on several nodes.
    var far = rates
    far.bandwidth /= remoteFactor
    let slower = remoteFactor > 1 ? efficiency.terms(pass, on: far).total / max(terms.total, .leastNormalMagnitude) : 1
    // The interval is of rates; a rate twice the predicted one is half the time.
    time.range = (
      (1 - exchanged + exchanged / doubt) / interval.high, (1 - exchanged + exchanged * doubt) * slower / interval.low
    )
    return time
  }
}
