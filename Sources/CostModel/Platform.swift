// SPDX-License-Identifier: Apache-2.0
package import Hardware
internal import Quantities

/// What runs the model: a machine, the engine on it, and the part of it that computes.
package struct Platform: Sendable {
  package let machine: HardwareProfile
  package let engine: Engine
  /// Threads of each phase, where the processor computes.
  package let threads: ThreadCounts
  /// Nil when the processor computes.
  package let device: Accelerator?
  /// Equal devices that may share a model.
  package let deviceCount: Int
  /// What a model may take in all: on the devices together, or of the machine's memory.
  package let capacity: Capacity
  /// What each device may hold, the one with least room; and what the processor's memory may.
  package let deviceCapacity: Capacity
  package let hostCapacity: Capacity
  /// What is asked of the distribution over devices and processor.
  package let wish: DistributionWish
  /// What the intervals of the engine's memory are widened to.
  package let memoryMargins: MemoryMargins
  /// Why no speed is known, or how speeds are told: of one device, or of the processor where that computes.
  package let speed: Result<any SpeedModel, NoSpeed>
  /// Of the device and of the processor beside it, for models that stand on both.
  let deviceSpeed: Result<FittedSpeed, NoSpeed>
  let hostSpeed: Result<FittedSpeed, NoSpeed>
  private let powerMargin: Double?

  /// What computes, where the engine does not support it.
  package let unsupportedDevice: String?

  /// - Parameters:
  ///   - engine: nil takes the built-in runtime for a machine at hand without a graphics processor, else llama.cpp.
  ///   - threads: what is left open takes as many as were measured to be fastest, or one per core that may be used.
  ///   - wish: what is asked of the distribution over devices and processor.
  ///   - efficiencies: what foreign engines make of the vendors' figures; without them their speed is unknown.
  ///   - margins: how far published figures of memory and power lay from their predictions.
  package init(
    _ machine: HardwareProfile, engine: Engine? = nil, threads: ThreadWish = .none, wish: DistributionWish = .none,
    efficiencies: EngineEfficiencies = .none, margins: ErrorMargins = .none
  ) {
    self.machine = machine
    self.wish = wish
    let usable = machine.accelerators.first {
      $0.kind != .npu && $0.memoryTotal.value != nil && $0.bandwidth.value != nil
    }
    let isAtHand = machine.origin == .probed || machine.origin == .recorded
    let engine = engine ?? (isAtHand && usable == nil ? .anprobe : .llamaCpp)
    self.engine = engine
    memoryMargins = margins.memory(of: engine)
    powerMargin = margins.power
    let threads = ThreadChoice(machine, threads).counts
    self.threads = threads
    let device = engine == .anprobe ? nil : usable
    self.device = device
    let rules = EngineRules.of(engine)
    hostCapacity = Capacity(memory: machine.memory)
    if let device {
      let equal = machine.accelerators.filter { $0.name == device.name && $0.memoryTotal == device.memoryTotal }
      deviceCount = equal.count
      capacity = Capacity(devices: equal)
      deviceCapacity = Capacity(fullestOf: equal)
      unsupportedDevice = rules.runs(onDeviceOf: device.vendor) ? nil : "devices of \(device.vendor)"
      deviceSpeed = Self.result { () throws(NoSpeed) in try FittedSpeed(engine, device: device, efficiencies) }
      hostSpeed =
        rules.sharing.countsLayers
        ? Self.processorSpeed(machine, engine, threads, efficiencies)
        : .failure(NoSpeed("\(engine.rawValue) leaves nothing to the processor"))
      speed = deviceSpeed.map { $0 }
    } else {
      deviceCount = 0
      capacity = hostCapacity
      deviceCapacity = hostCapacity
      unsupportedDevice = rules.runsOnProcessors ? nil : "processors"
      deviceSpeed = .failure(NoSpeed("no device computes"))
      hostSpeed = Self.processorSpeed(machine, engine, threads, efficiencies)
      speed = engine == .anprobe ? Self.ownSpeed(machine, threads) : hostSpeed.map { $0 }
    }
  }

  private static func ownSpeed(_ machine: HardwareProfile, _ threads: ThreadCounts) -> Result<any SpeedModel, NoSpeed> {
    guard let calibration = machine.calibration else {
      return .failure(NoSpeed("the kernels were not measured on this machine; run 'anprobe probe --calibrate'"))
    }
    return .success(CalibratedSpeed(calibration, threads: threads))
  }

  private static func processorSpeed(
    _ machine: HardwareProfile, _ engine: Engine, _ threads: ThreadCounts, _ efficiencies: EngineEfficiencies
  ) -> Result<FittedSpeed, NoSpeed> {
    // Bytes are read while decoding, and it is prompts that arithmetic limits.
    let measured = machine.calibration.flatMap { RateBook($0, threads: threads.decode).rate(.read) }
    return result { () throws(NoSpeed) in
      try FittedSpeed(engine, processor: machine, threads: threads.prefill, measured: measured, efficiencies)
    }
  }

  private static func result<Value>(_ make: () throws(NoSpeed) -> Value) -> Result<Value, NoSpeed> {
    do { return .success(try make()) } catch { return .failure(error) }
  }

  /// - Throws: `DistributionError` when the engine or the machine cannot do what is asked for.
  package func checkWish() throws(DistributionError) {
    try wish.check(engine, there: deviceCount, machine: machine.name)
  }
}

extension Platform {
  /// Whether a model may stand on more than one device, or partly with the processor.
  var mayShare: Bool {
    guard let device, !device.hasUnifiedMemory else { return false }
    return deviceCount > 1 || wish != .none
      || EngineRules.of(engine).sharing.countsLayers && hostCapacity.usable.value != nil
  }

  /// Where the engine puts the model, for its memory.
  func placement(parallel: Int = 1, stages: Int = 1) -> EngineMemory.Placement {
    var placement = EngineMemory.Placement(
      isOnDevice: device != nil, devices: parallel * stages, deviceMemory: device?.memoryTotal.value)
    placement.stages = stages
    return placement
  }

  var processorPlacement: EngineMemory.Placement { EngineMemory.Placement(isOnDevice: false) }

  /// How a distribution's passes are timed.
  func speed(_ distribution: Distribution) -> Result<any SpeedModel, NoSpeed> {
    guard let device, distribution.usesDevices else { return device == nil ? speed : hostSpeed.map { $0 } }
    guard distribution.devices > 1 || distribution.usesProcessor else { return speed }
    let sharing = EngineRules.of(engine).sharing
    let group = DeviceGroup(
      parallel: distribution.parallel, stages: distribution.stages, link: .between(device.links), sharing: sharing)
    return deviceSpeed.flatMap { fitted in
      guard distribution.usesProcessor else {
        return .success(SharedSpeed(fitted, nil, distribution, group, host: .toHost(device.links)))
      }
      return hostSpeed.map { SharedSpeed(fitted, $0, distribution, group, host: .toHost(device.links)) }
    }
  }

  /// The energy of what the devices do, those that wait among them; of the processor where no device computes.
  ///
  /// - Parameter threads: those of the phase.
  func energy(_ distribution: Distribution, threads: Int) -> EnergyModel {
    guard let device, distribution.usesDevices else { return processorEnergy(threads: threads) }
    // Devices that hold layers in turn work one after the other.
    return EnergyModel(device: device, count: deviceCount, working: distribution.parallel, margin: powerMargin)
  }

  /// Of decoding where the model stands in one place.
  package var energy: EnergyModel {
    device.map { EnergyModel(device: $0, count: deviceCount, working: 1, margin: powerMargin) }
      ?? processorEnergy(threads: threads.decode)
  }

  func processorEnergy(threads: Int) -> EnergyModel {
    EnergyModel(processor: machine, threads: threads, margin: powerMargin)
  }
}
