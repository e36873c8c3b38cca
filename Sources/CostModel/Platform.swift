// SPDX-License-Identifier: Apache-2.0
package import Hardware
internal import Quantities

/// What runs the model: a machine, the engine on it, and the part of it that computes.
package struct Platform: Sendable {
  package let machine: HardwareProfile
  package let engine: Engine
  /// Threads of each phase, where the processor computes.
  package let threads: ThreadCounts
  /// The first that computes; nil when the processor does.
  package var device: Accelerator? { devices.first }
  /// Devices that may share a model: equal ones, or of one maker with memories of their own, the fastest first.
  package let devices: [Accelerator]
  /// What a model may take in all: on the devices together, or of the machine's memory.
  package let capacity: Capacity
  /// What the processor's memory may hold.
  package let hostCapacity: Capacity
  /// What is asked of the distribution over devices and processor.
  package let wish: DistributionWish
  /// What the intervals of the engine's memory are widened to.
  package let memoryMargins: MemoryMargins
  /// Why no speed is known, or how speeds are told: of one device, or of the processor where that computes.
  package let speed: Result<any SpeedModel, NoSpeed>
  /// Of the devices, equal ones once, and of the processor beside them, for models that stand on several or both.
  let deviceSpeeds: Result<[FittedSpeed], NoSpeed>
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
    let devices = engine == .anprobe ? [] : Self.together(machine.accelerators, usable)
    self.devices = devices
    let rules = EngineRules.of(engine)
    hostCapacity = Capacity(memory: machine.memory)
    if let device = devices.first {
      capacity = Capacity(devices: devices)
      unsupportedDevice = rules.runs(onDeviceOf: device.vendor) ? nil : "devices of \(device.vendor)"
      let told = Self.areEqual(devices) ? [device] : devices
      deviceSpeeds = Self.result { () throws(NoSpeed) in
        var speeds: [FittedSpeed] = []
        for device in told { speeds.append(try FittedSpeed(engine, device: device, efficiencies)) }
        return speeds
      }
      hostSpeed =
        rules.sharing.countsLayers
        ? Self.processorSpeed(machine, engine, threads, efficiencies)
        : .failure(NoSpeed("\(engine.rawValue) leaves nothing to the processor"))
      speed = deviceSpeeds.map { $0[0] }
    } else {
      capacity = hostCapacity
      unsupportedDevice = rules.runsOnProcessors ? nil : "processors"
      deviceSpeeds = .failure(NoSpeed("no device computes"))
      hostSpeed = Self.processorSpeed(machine, engine, threads, efficiencies)
      speed = engine == .anprobe ? Self.ownSpeed(machine, threads) : hostSpeed.map { $0 }
    }
  }

  /// The devices that an engine would use together with one of them.
  private static func together(_ all: [Accelerator], _ first: Accelerator?) -> [Accelerator] {
    guard let first else { return [] }
    func hasOwnMemory(_ device: Accelerator) -> Bool { device.kind == .gpu && !device.hasUnifiedMemory }
    let devices = all.filter { device in
      if device.name == first.name && device.memoryTotal == first.memoryTotal { return true }
      return hasOwnMemory(first) && hasOwnMemory(device) && device.vendor == first.vendor
        && device.memoryTotal.value != nil && device.bandwidth.value != nil
    }
    guard !areEqual(devices) else { return devices }
    // As CUDA counts them where nobody says otherwise.
    return devices.enumerated().sorted {
      let (left, right) = ($0.element.bandwidth.value?.magnitude ?? 0, $1.element.bandwidth.value?.magnitude ?? 0)
      return left == right ? $0.offset < $1.offset : left > right
    }.map(\.element)
  }

  private static func areEqual(_ devices: [Accelerator]) -> Bool {
    devices.allSatisfy { $0.name == devices[0].name && $0.memoryTotal == devices[0].memoryTotal }
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
  package var deviceCount: Int { devices.count }
  package var hasUnequalDevices: Bool { !devices.isEmpty && !Self.areEqual(devices) }

  /// The devices by kind, for people: `2 × GeForce RTX 3090 + GeForce RTX 3060 12GB`; nil where the processor computes.
  package var deviceNames: String? {
    var kinds: [(name: String, count: Int)] = []
    for device in devices {
      if kinds.last?.name == device.name { kinds[kinds.count - 1].count += 1 } else { kinds.append((device.name, 1)) }
    }
    return kinds.isEmpty
      ? nil : kinds.map { $0.count > 1 ? "\($0.count) × \($0.name)" : $0.name }.joined(separator: " + ")
  }

  /// Of unequal devices that hold layers in turn, what each has room for; empty for equal ones.
  func shares(parallel: Int, stages: Int) -> [Double] {
    guard hasUnequalDevices, parallel == 1, stages > 1 else { return [] }
    return devices.prefix(stages).map { Capacity(devices: [$0]).usable.value?.magnitude ?? 0 }
  }

  /// Whether a model may stand on more than one device, or partly with the processor.
  var mayShare: Bool {
    guard let device, !device.hasUnifiedMemory else { return false }
    return deviceCount > 1 || wish != .none
      || EngineRules.of(engine).sharing.countsLayers && hostCapacity.usable.value != nil
  }

  /// Where the engine puts the model, for its memory.
  func placement(parallel: Int = 1, stages: Int = 1) -> EngineMemory.Placement {
    let least = devices.prefix(parallel * stages).compactMap(\.memoryTotal.value).min()
    var placement = EngineMemory.Placement(
      isOnDevice: device != nil, devices: parallel * stages, deviceMemory: least)
    placement.stages = stages
    return placement
  }

  var processorPlacement: EngineMemory.Placement { EngineMemory.Placement(isOnDevice: false) }

  /// How a distribution's passes are timed.
  func speed(_ distribution: Distribution) -> Result<any SpeedModel, NoSpeed> {
    guard let device, distribution.usesDevices else { return device == nil ? speed : hostSpeed.map { $0 } }
    guard distribution.devices > 1 || distribution.usesProcessor else { return speed }
    let sharing = EngineRules.of(engine).sharing
    var group = DeviceGroup(
      parallel: distribution.parallel, stages: distribution.stages, link: link(distribution.devices), sharing: sharing)
    group.holdsExpertsWhole = distribution.holdsExpertsWhole
    return deviceSpeeds.flatMap { [group] speeds in
      let own = speeds.count > 1 ? Array(speeds.prefix(distribution.devices)) : []
      let stages = DeviceStages(speeds[0], own, distribution, group)
      guard distribution.usesProcessor else {
        return .success(SharedSpeed(stages, nil, distribution, host: .toHost(device.links)))
      }
      return hostSpeed.map { SharedSpeed(stages, $0, distribution, host: .toHost(device.links)) }
    }
  }

  /// Between the first so many devices; unequal ones exchange through the host, at the slowest link.
  private func link(_ count: Int) -> PlaceLink {
    guard hasUnequalDevices, count > 1 else { return .between(devices[0].links) }
    let links = devices.prefix(count).map { PlaceLink.toHost($0.links) }
    return links.min { $0.bandwidth < $1.bandwidth } ?? .toHost(devices[0].links)
  }

  /// The energy of what the devices do, those that wait among them; of the processor where no device computes.
  ///
  /// - Parameter threads: those of the phase.
  func energy(_ distribution: Distribution, threads: Int) -> EnergyModel {
    guard device != nil, distribution.usesDevices else { return processorEnergy(threads: threads) }
    // Devices that hold layers in turn work one after the other.
    return EnergyModel(
      devices: devices, used: distribution.devices, working: distribution.parallel, margin: powerMargin)
  }

  /// Of decoding where the model stands in one place.
  package var energy: EnergyModel {
    device == nil
      ? processorEnergy(threads: threads.decode)
      : EnergyModel(devices: devices, used: 1, working: 1, margin: powerMargin)
  }

  func processorEnergy(threads: Int) -> EnergyModel {
    EnergyModel(processor: machine, threads: threads, margin: powerMargin)
  }
}
