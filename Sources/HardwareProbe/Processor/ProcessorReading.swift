// SPDX-License-Identifier: Apache-2.0
internal import CHostProbe
internal import Hardware
internal import Quantities

/// The processors of a machine from hwloc, checked against and filled from our own reading of `/sys`.
struct ProcessorReading {
  var processor: Processor
  var nodes: [NUMANode]

  init(machine: Machine, facts: InstructionFacts?, notes: inout [String]) {
    let files = machine.files
    let sysfs = SysfsTopology(files)
    let topology = Self.topology(machine, sysfs, &notes)
    nodes = topology.nodes
    let packages = max(1, topology.packages.count)
    let units = max(1, topology.processingUnits.count)
    // Virtual machines may hide cores: each PU is then one.
    let cores = topology.coreCount > 0 ? min(topology.coreCount, units) : units
    processor = Processor(
      architecture: machine.architecture, vendor: topology.vendor ?? Self.vendor(machine),
      model: topology.model ?? Self.model(machine), packageCount: packages,
      dieCount: max(packages, topology.dies.count), coreCount: cores, processingUnitCount: units,
      caches: topology.caches,
      instructionSets: facts?.instructionSets ?? [],
      limits: Self.limits(machine, topology, offline: sysfs.offline.count))
    processor.coreKinds = coreKinds(topology.kinds, files)
    if facts == nil {
      notes.append("The instruction sets are not known: neither CPUID nor '/proc/cpuinfo' tells them.")
    }
  }

  private static func topology(_ machine: Machine, _ sysfs: SysfsTopology, _ notes: inout [String]) -> Topology {
    if let topology = Topology(asking: machine.topologySource), !topology.isEmpty { return topology }
    notes.append("hwloc cannot read this machine; packages, cores and caches come from '/sys/devices/system/cpu'.")
    var topology = sysfs.topology(isComplete: true)
    if topology.isEmpty {
      let listed = machine.files.lines("/proc/cpuinfo").count { $0.hasPrefix("processor") }
      topology.processingUnits = Set(0..<min(listed, 65536))
      if listed == 0, let allowed = ControlGroups(machine.files).cpuset {
        topology.processingUnits = allowed
        notes.append("The number of processors is not known; the \(allowed.count) that the cpuset names are assumed.")
      } else if listed == 0 {
        notes.append("The number of processors is not known; one is assumed.")
      }
    }
    return topology
  }

  private static func vendor(_ machine: Machine) -> String? {
    machine.cpuid.first?.name(leaf: 0) ?? machine.files.value("vendor_id", in: "/proc/cpuinfo")
  }

  private static func model(_ machine: Machine) -> String? {
    machine.files.value("model name", in: "/proc/cpuinfo") ?? machine.files.text("/proc/device-tree/model")
  }

  /// A count is given only where it takes PUs away.
  private static func limits(_ machine: Machine, _ topology: Topology, offline: Int) -> ProcessorLimits {
    let groups = ControlGroups(machine.files)
    let units = topology.processingUnits
    func cut(_ allowed: Set<Int>?) -> Int? {
      guard let count = allowed.map({ $0.intersection(units).count }), count > 0, count < units.count else {
        return nil
      }
      return count
    }
    let affinity = machine.files.value("Cpus_allowed_list", in: "/proc/self/status").flatMap { numberSet($0) }
    let quota = groups.quota
    return ProcessorLimits(
      quotaProcessors: quota?.processors, quotaSource: quota?.source, affinityCount: cut(affinity),
      cpusetCount: cut(groups.cpuset), offlineCount: offline)
  }

  /// hwloc orders kinds from the most efficient to the fastest.
  private func coreKinds(_ kinds: [Topology.Kind], _ files: FileTree) -> [CoreKind] {
    let sorted = kinds.sorted { $0.efficiency > $1.efficiency }
    guard sorted.count > 1, sorted.allSatisfy({ $0.efficiency >= 0 }) else {
      let fastest = kinds.compactMap(\.maximumHertz).max() ?? FrequencyReading(files).policy.maximumHertz
      return [
        CoreKind(
          name: "uniform", coreCount: processor.coreCount, processingUnitCount: processor.processingUnitCount,
          maximumHertz: fastest)
      ]
    }
    return sorted.enumerated().map { index, kind in
      CoreKind(
        name: Self.name(of: kind, at: index, among: sorted), coreCount: kind.coreCount,
        processingUnitCount: kind.processingUnitCount, maximumHertz: kind.maximumHertz)
    }
  }

  private static func name(of kind: Topology.Kind, at index: Int, among kinds: [Topology.Kind]) -> String {
    if index == 0 { return "performance" }
    // Cores of the same type that differ in their highest clock only are still fast ones.
    if let type = kind.coreType, type == kinds[0].coreType { return "performance-\(index + 1)" }
    return index == kinds.count - 1 ? "efficiency" : "efficiency-\(index)"
  }
}
