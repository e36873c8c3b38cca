// SPDX-License-Identifier: Apache-2.0
package import Quantities

/// A machine known by a few figures: from the catalogue of machines or typed in.
package struct MachineDescription: Sendable, Equatable {
  /// What computes: a device with its own memory, one that shares the machine's, or the processor.
  package enum Computes: String, Sendable, CaseIterable {
    case gpu
    case integratedGPU = "integrated-gpu"
    case cpu
  }

  package var name: String
  package var vendor: String
  package var computes: Computes
  /// Equal devices; memory, bandwidth and rates are those of all together.
  package var devices = 1
  package var cores: Int?
  /// Of a processor's machine, each with its own memory; cores, memory, bandwidth and rates are those of all together.
  package var sockets = 1
  package var memory: ByteCount?
  package var memoryTechnology: String?
  package var bandwidth: Bandwidth?
  package var float32: OperationRate?
  package var float16: OperationRate?
  package var int8: OperationRate?
  package var thermalDesign: Power?
  package var idle: Power?
  /// One way between a device and the host, and directly between two devices.
  package var hostLink: Bandwidth?
  package var peerLink: Bandwidth?
  /// Between two devices that somebody joins by a bridge, where the devices take one.
  package var bridge: Bandwidth?
  /// The host beside a device, where it is described: layers that do not fit the device may stand there.
  package var hostMemory: ByteCount?
  package var hostBandwidth: Bandwidth?
  package var hostCores: Int?
  /// Devices of other kinds in the same machine, whose host is this one's.
  package var beside: [MachineDescription] = []
  package var source: String
  package var origin = HardwareProfile.Origin.catalogue

  package init(name: String, vendor: String, computes: Computes, source: String) {
    self.name = name
    self.vendor = vendor
    self.computes = computes
    self.source = source
  }

  package var profile: HardwareProfile {
    let power = PowerFigures(
      thermalDesign: published(thermalDesign, "power limit"), idle: published(idle, "idle power"))
    guard computes == .cpu else { return deviceProfile(power) }
    var processor = Processor(
      architecture: "unknown", vendor: vendor, model: name, packageCount: sockets, dieCount: sockets,
      coreCount: coreCount.count, processingUnitCount: coreCount.count, peaks: peaks(devices: 1))
    processor.coreAssumption = coreCount.assumption
    let memory = MemorySystem(
      total: published(memory, "memory size"), available: .unknown(reason: "the machine is not at hand"),
      numaNodes: nodes, peakBandwidth: published(bandwidth, "memory bandwidth"), technology: memoryTechnology)
    return HardwareProfile(name: name, origin: origin, processor: processor, memory: memory, power: power)
  }

  /// One for each of several sockets.
  private var nodes: [NUMANode] {
    guard sockets > 1 else { return [] }
    return (0..<sockets).map { index in
      NUMANode(
        index: index, capacity: published(memory.map { $0 / Double(sockets) }, "memory size"),
        processingUnitCount: coreCount.count / sockets)
    }
  }

  private var coreCount: (count: Int, assumption: String?) {
    Self.coreCount(stated: cores, float32, bandwidth, sockets: sockets)
  }

  /// Cores as stated; else as many as the arithmetic rate needs at 128 GOP/s each (4 GHz × 32 operations), or as the memory
  /// feeds in the usual machine.
  private static func coreCount(
    stated: Int?, _ float32: OperationRate?, _ bandwidth: Bandwidth?, sockets: Int = 1
  ) -> (count: Int, assumption: String?) {
    if let stated { return (max(1, stated), nil) }
    if let float32 {
      let count = Int((float32.magnitude / 128e9).rounded())
      return (max(sockets, count), "one for each 128 GFLOP/s of 32-bit arithmetic")
    }
    guard let bandwidth else { return (sockets, "no figure to tell them by") }
    return (
      max(sockets, AssumedCores.count(on: bandwidth)),
      "one for each \(AssumedCores.bandwidth) of memory bandwidth, as is usual"
    )
  }

  private func deviceProfile(_ power: PowerFigures) -> HardwareProfile {
    let share = Double(max(1, devices))
    let device = Accelerator(
      name: name, vendor: vendor, kind: computes == .gpu ? .gpu : .integratedGPU,
      memoryTotal: published(memory.map { $0 / share }, "memory size"),
      memoryFree: .unknown(reason: "the machine is not at hand"), hasUnifiedMemory: computes == .integratedGPU,
      bandwidth: published(bandwidth.map { $0 / share }, "memory bandwidth"), peaks: peaks(devices: share),
      power: PowerFigures(
        thermalDesign: published(thermalDesign.map { $0 / share }, "power limit"),
        idle: published(idle.map { $0 / share }, "idle power")),
      memoryTechnology: memoryTechnology, links: links, source: source)
    return HardwareProfile(
      name: ([self] + beside).map(\.name).joined(separator: " + "), origin: origin, processor: hostProcessor,
      memory: hostSystem,
      accelerators: Array(repeating: device, count: max(1, devices)) + beside.flatMap(\.profile.accelerators),
      power: power)
  }

  private var links: DeviceLinks {
    var links = DeviceLinks()
    if hostLink != nil { links.host = published(hostLink, "link to the host") }
    if peerLink != nil { links.peer = published(peerLink, "link between devices") }
    return links
  }

  /// Where nobody describes the host nothing is planned for it.
  private var hostSystem: MemorySystem {
    guard hostMemory != nil else {
      let unknown = "the host of the device is not described"
      return MemorySystem(total: .unknown(reason: unknown), available: .unknown(reason: unknown))
    }
    let memory = published(hostMemory, "memory of the host")
    return MemorySystem(
      total: memory, available: memory, peakBandwidth: published(hostBandwidth, "memory bandwidth of the host"))
  }

  private var hostProcessor: Processor {
    let cores = Self.coreCount(stated: hostCores, nil, hostBandwidth)
    var processor = Processor(
      architecture: "unknown", packageCount: 1, dieCount: 1, coreCount: cores.count, processingUnitCount: cores.count)
    processor.coreAssumption = cores.assumption
    return processor
  }

  private func peaks(devices: Double) -> PeakRates {
    func rate(_ value: OperationRate?) -> Known<OperationRate> { published(value.map { $0 / devices }, "rate") }
    return PeakRates(float32: rate(float32), float16: rate(float16), int8: rate(int8))
  }

  private func published<Value: Quantity>(_ value: Value?, _ what: String) -> Known<Value> {
    value.map { .exact($0, .published, source: source) } ?? .unknown(reason: "no figure for the \(what) of \(name)")
  }
}
