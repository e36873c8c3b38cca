// SPDX-License-Identifier: Apache-2.0
package import Hardware
internal import Quantities

/// What runs the model: a machine, the engine on it, and the part of it that computes.
package struct Platform: Sendable {
  package let machine: HardwareProfile
  package let engine: Engine
  package let threads: Int
  /// Nil when the processor computes.
  package let device: Accelerator?
  package let deviceCount: Int
  package let capacity: Capacity
  package let energy: EnergyModel
  /// What the intervals of the engine's memory are widened to.
  package let memoryMargins: MemoryMargins
  /// Why no speed is known, or how speeds are told.
  package let speed: Result<any SpeedModel, NoSpeed>

  /// What computes, where the engine does not support it.
  package let unsupportedDevice: String?

  /// Where the engine puts the model, for its memory.
  var placement: EngineMemory.Placement {
    EngineMemory.Placement(
      isOnDevice: device != nil, devices: max(1, deviceCount), deviceMemory: device?.memoryTotal.value)
  }

  /// - Parameters:
  ///   - engine: nil takes the built-in runtime for a machine at hand without a graphics processor, else llama.cpp.
  ///   - threads: nil takes as many as were measured to be fastest, or one per core that may be used.
  ///   - efficiencies: what foreign engines make of the vendors' figures; without them their speed is unknown.
  ///   - margins: how far published figures of memory and power lay from their predictions.
  package init(
    _ machine: HardwareProfile, engine: Engine? = nil, threads: Int? = nil,
    efficiencies: EngineEfficiencies = .none, margins: ErrorMargins = .none
  ) {
    self.machine = machine
    let usable = machine.accelerators.first {
      $0.kind != .npu && $0.memoryTotal.value != nil && $0.bandwidth.value != nil
    }
    let isAtHand = machine.origin == .probed || machine.origin == .recorded
    let engine = engine ?? (isAtHand && usable == nil ? .anprobe : .llamaCpp)
    self.engine = engine
    memoryMargins = margins.memory(of: engine)
    let threads = max(1, threads ?? ThreadChoice(machine).threads)
    self.threads = threads
    device = engine == .anprobe ? nil : usable
    let rules = EngineRules.of(engine)
    if engine != .anprobe, let usable {
      let equal = machine.accelerators.filter { $0.name == usable.name && $0.memoryTotal == usable.memoryTotal }
      deviceCount = equal.count
      capacity = Capacity(devices: equal)
      energy = EnergyModel(device: usable, count: 1, margin: margins.power)
      unsupportedDevice = rules.runs(onDeviceOf: usable.vendor) ? nil : "devices of \(usable.vendor)"
      speed = Self.speed { () throws(NoSpeed) in
        try FittedSpeed(engine, device: usable, count: equal.count, efficiencies)
      }
    } else {
      deviceCount = 0
      capacity = Capacity(memory: machine.memory)
      energy = EnergyModel(processor: machine, threads: threads, margin: margins.power)
      unsupportedDevice = rules.runsOnProcessors ? nil : "processors"
      speed = Self.processorSpeed(machine, engine, threads, efficiencies)
    }
  }

  private static func processorSpeed(
    _ machine: HardwareProfile, _ engine: Engine, _ threads: Int, _ efficiencies: EngineEfficiencies
  ) -> Result<any SpeedModel, NoSpeed> {
    guard engine == .anprobe else {
      let measured = machine.calibration.flatMap { RateBook($0, threads: threads).rate(.read) }
      return speed { () throws(NoSpeed) in
        try FittedSpeed(engine, processor: machine, threads: threads, measured: measured, efficiencies)
      }
    }
    guard let calibration = machine.calibration else {
      return .failure(NoSpeed("the kernels were not measured on this machine; run 'anprobe probe --calibrate'"))
    }
    return .success(CalibratedSpeed(calibration, threads: threads))
  }

  private static func speed(_ make: () throws(NoSpeed) -> some SpeedModel) -> Result<any SpeedModel, NoSpeed> {
    do { return .success(try make()) } catch { return .failure(error) }
  }
}
