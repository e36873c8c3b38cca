// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import Synchronization

/// Records this machine as one tar archive that ``HardwareProbe`` reads back and that `tar`, hwloc and people can open.
///
/// It holds the files of `/proc` and `/sys` that the probe and hwloc read, CPUID answers, and nothing else; host name,
/// user name, addresses, serial numbers and the identifiers of containers are left out or replaced.
package struct SnapshotWriter: Sendable {
  private let machine: Machine

  package init() { machine = .live }
  init(machine: Machine) { self.machine = machine }

  /// - Throws: `snapshotNotWritten` when the file cannot be made.
  package func write(to path: String) throws(HardwareProbeError) {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw .snapshotNotWritten(path: path, errno: errno) }
    defer { close(descriptor) }
    let code = writeAll(archive, to: descriptor)
    if code != 0 { throw .snapshotNotWritten(path: path, errno: code) }
  }

  /// The bytes of the archive.
  var archive: [UInt8] {
    var bytes: [UInt8] = []
    for (path, content) in content.sorted(by: { $0.key < $1.key }) {
      bytes += TarHeader.blocks(name: String(path.drop { $0 == "/" }), size: content.count) + content
      bytes += [UInt8](repeating: 0, count: TarHeader.padding(content.count))
    }
    return bytes + [UInt8](repeating: 0, count: 2 * TarHeader.blockSize)
  }

  /// Files by absolute path, cleaned.
  var content: [String: [UInt8]] {
    let recorder = FileRecorder()
    let recorded = machine.recording(into: recorder)
    _ = recorded.profile
    TopologyFiles(recorded.files).read()
    var files = recorder.files.withLock { $0 }
    for path in recorder.present.withLock({ $0 }) where files[path] == nil {
      // A folder that holds a recorded file needs no mark of its own.
      if !files.keys.contains(where: { $0.hasPrefix(path + "/") }) { files[path] = [] }
    }
    files["/proc/sys/kernel/arch"] = Array((machine.architecture + "\n").utf8)
    files[Machine.callsFile] = Array("OSName: Linux\nArchitecture: \(machine.architecture)\n".utf8)
    if let leaves = machine.cpuid.first {
      files["/cpuid/pu0"] = Array(leaves.dump.utf8)
      files["/cpuid/hwloc-cpuid-info"] = Array("Architecture: x86\n".utf8)
      if machine.isLive {
        let grants = RegisterGrants.live(asksForAMX: leaves.features.contains("amx_tile"))
        files[RegisterGrants.path] = Array(grants.text.utf8)
      }
    }
    return SnapshotCleaner(names: machine.isLive ? SnapshotCleaner.ownNames : []).cleaned(files)
  }
}

/// The files from which hwloc builds a topology; it reads them by itself, so they are listed here.
struct TopologyFiles {
  let files: FileTree
  init(_ files: FileTree) { self.files = files }

  func read() {
    let processors = "/sys/devices/system/cpu"
    take(processors, ["online", "offline", "possible", "present"])
    for unit in numbered("cpu", in: processors) {
      take(unit, ["online", "cpu_capacity"])
      take("\(unit)/cpufreq", ["cpuinfo_max_freq", "base_frequency", "scaling_governor"])
      take("\(unit)/acpi_cppc", ["nominal_perf"])
      take("\(unit)/topology")
      for cache in numbered("index", in: "\(unit)/cache") { take(cache) }
    }
    let nodes = "/sys/devices/system/node"
    take(nodes, ["online", "possible"])
    for node in numbered("node", in: nodes) { take(node, ["cpumap", "cpulist", "meminfo", "distance"]) }
    for kind in ["cpu_core", "cpu_atom", "cpu_lowpower"] { take("/sys/devices/\(kind)", ["cpus"]) }
    for pages in files.names(in: "/sys/kernel/mm/hugepages") {
      take("/sys/kernel/mm/hugepages/\(pages)", ["nr_hugepages"])
    }
    take("/proc", ["cpuinfo", "meminfo", "mounts"])
    take("/proc/self", ["cgroup", "cpuset", "mountinfo", "status", "limits"])
  }

  private func numbered(_ prefix: String, in folder: String) -> [String] {
    files.names(in: folder).filter { $0.hasPrefix(prefix) && Int($0.dropFirst(prefix.count)) != nil }
      .map { "\(folder)/\($0)" }
  }

  private func take(_ folder: String, _ names: [String]? = nil) {
    for name in names ?? files.names(in: folder) where name != "uevent" { _ = try? files.bytes("\(folder)/\(name)") }
  }
}

extension CPUIDLeaves {
  /// The text that ``init(dump:)`` and hwloc read.
  var dump: String {
    let order = leaves.sorted { ($0.key.leaf, $0.key.subleaf) < ($1.key.leaf, $1.key.subleaf) }
    let lines = order.map { key, value in
      // The mask 5: both leaf and subleaf count.
      let numbers = [key.leaf, 0, key.subleaf, 0].map { String($0, radix: 16) }.joined(separator: " ")
      let answers = [value.eax, value.ebx, value.ecx, value.edx].map { String($0, radix: 16) }.joined(separator: " ")
      return "5 \(numbers) => \(answers)\n"
    }
    return "# mask e[abcd]x => e[abcd]x\n" + lines.joined()
  }
}
