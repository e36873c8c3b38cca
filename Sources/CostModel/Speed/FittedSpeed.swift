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
  private let intervals: [SpeedObservation.Quantity: ErrorInterval]

  private init(
    _ engine: Engine, _ kind: DeviceKind, _ efficiencies: EngineEfficiencies, name: String, origin: String,
    rates: (EngineEfficiencies.Group, EngineGroup) -> DeviceRates
  ) throws(NoSpeed) {
    guard let key = EngineGroup(engine, kind), let group = efficiencies.groups[key] else {
      throw NoSpeed("no published speeds of \(engine.rawValue) are at hand")
    }
    let rates = rates(group, key)
    let classKey = key.classKey(engine, rates.deviceClass)
    self.engine = engine
    self.rates = rates
    efficiency = group.classes[classKey]
    intervals = [.decode: group.interval(classKey, kind, .decode), .prefill: group.interval(classKey, kind, .prefill)]
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
    let known = DeviceRates(machine.processor, vendor: machine.processor.vendor, threads: threads, bandwidth: peak)
    let origin = measured == nil ? "vendor's figures" : "bandwidth measured here and vendor's rates"
    try self.init(engine, .processor, efficiencies, name: machine.name, origin: origin) { group, key in
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

  /// - Parameter group: devices that share the model; nil for one.
  func time(
    _ pass: PassWork, _ quantity: SpeedObservation.Quantity, sharedBy group: DeviceGroup? = nil
  ) -> PhaseTime {
    let terms = efficiency.terms(pass, on: rates, sharedBy: group)
    let interval = intervals[quantity] ?? ErrorTable.unknown
    var time = PhaseTime()
    time.weightTransfer = terms.memory
    time.weights = terms.weights
    time.attention = terms.attention
    time.attentionTransfer = pass.isPrompt ? 0 : terms.attention
    time.overhead = terms.launches
    // The interval is of rates; a rate twice the predicted one is half the time.
    time.range = (1 / interval.high, 1 / interval.low)
    guard let group, terms.transfer > 0 else { return time }
    var exchanges = PhaseTime()
    exchanges.transfer = terms.transfer
    exchanges.range = (1 / group.link.doubt, group.link.doubt)
    return time + exchanges
  }
}
