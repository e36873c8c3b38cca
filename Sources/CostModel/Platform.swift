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
  /// Why no speed is known, or how speeds are told.
  package let speed: Result<any SpeedModel, NoSpeed>

  /// - Parameters:
  ///   - engine: nil takes the built-in runtime for a machine at hand without a graphics processor, else llama.cpp.
  ///   - threads: nil takes as many as the machine really lets a program use.
  package init(_ machine: HardwareProfile, engine: Engine? = nil, threads: Int? = nil) {
    self.machine = machine
    let usable = machine.accelerators.first {
      $0.kind != .npu && $0.memoryTotal.value != nil && $0.bandwidth.value != nil
    }
    let isAtHand = machine.origin == .probed || machine.origin == .recorded
    let engine = engine ?? (isAtHand && usable == nil ? .anprobe : .llamaCpp)
    self.engine = engine
    // A second thread on a core gains the kernels nothing; the quota and the affinity bind as well.
    let threads = max(1, threads ?? machine.processor.usableCores)
    self.threads = threads
    device = engine == .anprobe ? nil : usable
    if engine == .llamaCpp, let usable {
      let equal = machine.accelerators.filter { $0.name == usable.name && $0.memoryTotal == usable.memoryTotal }
      deviceCount = equal.count
      capacity = Capacity(devices: equal)
      energy = EnergyModel(device: usable, count: 1)
      speed = Self.speed { () throws(NoSpeed) in try DeviceSpeed(usable) }
    } else {
      deviceCount = 0
      capacity = Capacity(memory: machine.memory)
      energy = EnergyModel(processor: machine, threads: threads)
      speed = Self.processorSpeed(machine, engine, threads)
    }
  }

  private static func processorSpeed(
    _ machine: HardwareProfile, _ engine: Engine, _ threads: Int
  ) -> Result<any SpeedModel, NoSpeed> {
    switch engine {
    case .anprobe:
      guard let calibration = machine.calibration else {
        return .failure(NoSpeed("the kernels were not measured on this machine; run 'anprobe probe --calibrate'"))
      }
      return .success(CalibratedSpeed(calibration, threads: threads))
    case .llamaCpp:
      let measured = machine.calibration.flatMap { RateBook($0, threads: threads).rate(.read) }
      return speed { () throws(NoSpeed) in
        try ProcessorSpeed(machine, threads: threads, measured: measured.map { Bandwidth(magnitude: $0) })
      }
    }
  }

  private static func speed(_ make: () throws(NoSpeed) -> some SpeedModel) -> Result<any SpeedModel, NoSpeed> {
    do { return .success(try make()) } catch { return .failure(error) }
  }
}
