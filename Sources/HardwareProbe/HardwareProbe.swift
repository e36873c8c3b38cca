// SPDX-License-Identifier: Apache-2.0
package import Hardware
internal import Quantities

/// Reads a machine: this one, or one that was recorded.
///
/// Everything comes from `/proc`, `/sys`, CPUID, hwloc and NVML; nothing is inferred from a model name. A source that
/// cannot be read leaves its part unknown, with the reason in the value or among the profile's notes.
package struct HardwareProbe: Sendable {
  /// A folder or a tar archive with a recorded machine; nil for this one.
  package let root: String?

  package init(root: String? = nil) { self.root = root }

  /// - Throws: `HardwareProbeError` when the recording is not there, is damaged or holds no machine; this machine always
  ///   gives a profile.
  package func profile() throws(HardwareProbeError) -> HardwareProfile {
    let machine = try root.map { path throws(HardwareProbeError) in try Machine(recordedAt: path) } ?? .live
    defer { machine.close() }
    return machine.profile
  }
}

extension Machine {
  var profile: HardwareProfile {
    var notes: [String] = []
    let facts = InstructionFacts.read(files, architecture: architecture, cpuid: cpuid, isLive: isLive)
    let reading = ProcessorReading(machine: self, facts: facts, notes: &notes)
    let memory = memorySystem(nodes: reading.nodes, notes: &notes)
    let sensors = PowerSensors(files, nvidia: nvidia)
    notes += sensors.notes
    return HardwareProfile(
      name: name ?? reading.processor.model ?? "this machine", origin: isLive ? .probed : .recorded,
      processor: reading.processor, memory: memory, accelerators: Accelerators(files, nvidia: nvidia).found,
      powerSensors: sensors.found, storage: storage, operatingSystem: operatingSystem, virtualisation: virtualisation,
      container: container, frequency: FrequencyReading(files).policy, notes: notes)
  }

  private func memorySystem(nodes: [NUMANode], notes: inout [String]) -> MemorySystem {
    let reading = MemoryReading(files)
    let groups = ControlGroups(files)
    let allowed = NodeMemory(files).limit(allowed: groups.nodeSet)
    let limits = groups.memoryLimits + ProcessLimits(files: files).memory + [allowed].compactMap { $0 }
    let binding = MemoryLimit.binding(limits.filter { limit in reading.total.value.map { limit.limit < $0 } ?? true })
    if allowed == nil, let note = disagreement(total: reading.total, nodes: nodes) { notes.append(note) }
    return MemorySystem(
      total: reading.total, available: reading.available, limit: binding?.limit, limitSource: binding?.source,
      usedOfLimit: binding?.used, swapTotal: reading.swapTotal, hugePages: reading.hugePages, numaNodes: nodes)
  }

  /// Kernels that bring memory up late report too little per node for a while; the total is right all along.
  private func disagreement(total: Known<ByteCount>, nodes: [NUMANode]) -> String? {
    let capacities = nodes.compactMap(\.capacity.value?.bytes)
    guard let total = total.value, total.bytes > 0, !nodes.isEmpty, capacities.count == nodes.count else { return nil }
    let sum = capacities.reduce(Int64(0)) { $0.addingReportingOverflow($1).partialValue }
    // Firmware and the kernel itself take a few per cent that one figure has and the other has not.
    guard abs(Double(sum) / Double(total.bytes) - 1) > 0.05 else { return nil }
    return "The NUMA nodes hold \(sum) bytes together, but '/proc/meminfo' tells \(total.bytes); "
      + "the total is used, the nodes only for how memory is split."
  }
}
