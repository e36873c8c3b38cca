// SPDX-License-Identifier: Apache-2.0
import Foundation
import Hardware
@testable import HardwareProbe
import Quantities
import TestSupport
import Testing

@Suite struct `A hostile recording` {
  @Test func `that is missing or empty is refused with a sentence`() throws {
    #expect(throws: HardwareProbeError.rootMissing(path: "/nonexistent/machine")) {
      try HardwareProbe(root: "/nonexistent/machine").profile()
    }
    try withFolder { folder in
      #expect(throws: HardwareProbeError.notAMachine(path: folder.path)) {
        try HardwareProbe(root: folder.path).profile()
      }
    }
  }

  @Test func `with links in circles, pipes and folders for files ends with a profile`() throws {
    try withFolder { folder in
      let processors = folder.appendingPathComponent("sys/devices/system/cpu")
      try write(["sys/devices/system/cpu/online": "0-3\n", "proc/cpuinfo": "processor : 0\n"], below: folder)
      let manager = FileManager.default
      for index in 0..<4 {
        let topology = processors.appendingPathComponent("cpu\(index)/topology").path
        try manager.createDirectory(atPath: topology, withIntermediateDirectories: true)
        try manager.createSymbolicLink(atPath: topology + "/core_cpus", withDestinationPath: "core_cpus")
        try manager.createSymbolicLink(atPath: topology + "/loop", withDestinationPath: "../../cpu\(index)")
        // Only our own reader meets the pipe: hwloc does not ask for this file.
        #expect(mkfifo(topology + "/core_cpus_list", 0o600) == 0)
      }
      try manager.createDirectory(
        atPath: folder.appendingPathComponent("proc/meminfo").path, withIntermediateDirectories: true)
      try manager.createSymbolicLink(
        atPath: folder.appendingPathComponent("proc/self").path, withDestinationPath: "self")
      let profile = try HardwareProbe(root: folder.path).profile()
      #expect(profile.memory.total.value == nil && profile.memory.total.reason?.contains("meminfo") == true)
    }
  }

  @Test func `that stalls hwloc costs hwloc's part and not the answer`() throws {
    try withFolder { folder in
      try write(["sys/devices/system/cpu/online": "0-1\n", "proc/cpuinfo": "processor : 0\n"], below: folder)
      for index in 0..<2 {
        let topology = folder.appendingPathComponent("sys/devices/system/cpu/cpu\(index)/topology").path
        try FileManager.default.createDirectory(atPath: topology, withIntermediateDirectories: true)
        // hwloc opens this one and waits for a writer that never comes.
        #expect(mkfifo(topology + "/core_cpus", 0o600) == 0)
      }
      let profile = try HardwareProbe(root: folder.path).profile()
      #expect(profile.processor.processingUnitCount == 2)
    }
  }

  @Test func `with numbers beyond all machines never overflows`() throws {
    try withFolder { folder in
      let huge = "99999999999999999999999999"
      let large = "9223372036854775807"
      try write(
        [
          "proc/meminfo":
            "MemTotal: \(large) kB\nMemAvailable: \(huge) kB\nSwapTotal: -5 kB\nHugepagesize: \(large) kB\n",
          "proc/self/cgroup": "0::/\n::::\n5:memory:/x\n", "proc/self/limits": "Max address space \(large) x\n",
          "sys/fs/cgroup/memory.max": large, "sys/fs/cgroup/memory.current": large,
          "sys/fs/cgroup/cpu.max": "1e999 1e-999",
          "sys/fs/cgroup/cpuset.cpus.effective": "0-\(large)", "sys/devices/system/cpu/online": "0-\(huge),5-1,x",
          "sys/devices/system/cpu/cpu0/cache/index0/size": "\(large)G",
          "sys/devices/system/cpu/cpu0/cache/index0/level": large,
          "sys/devices/system/node/node\(large)/meminfo": "Node 0 MemTotal: \(large) kB\n",
          "sys/block/sda/size": large, "sys/class/powercap/x:0/name": "package-0",
          "sys/class/powercap/x:0/energy_uj": "nan", "sys/class/powercap/x:0/max_energy_range_uj": huge,
          "sys/class/drm/card0/device/vendor": "0x1002", "sys/class/drm/card0/device/mem_info_vram_total": large,
          "sys/class/drm/card0/device/mem_info_vram_used": "-1",
          "sys/class/kfd/kfd/topology/nodes/0/properties": "simd_count \(large)\ndrm_render_minor \(large)\n",
          "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count": large,
        ], below: folder)
      let profile = try HardwareProbe(root: folder.path).profile()
      #expect(profile.memory.total.value == nil && profile.memory.limit == nil)
      #expect(try HardwareProfile(json: profile.json, file: "hostile") == profile)
    }
  }

  @Test func `with a file without end is read to the limit only`() throws {
    try withFolder { folder in
      let processors = folder.appendingPathComponent("proc")
      try FileManager.default.createDirectory(at: processors, withIntermediateDirectories: true)
      try FileManager.default.createSymbolicLink(
        atPath: folder.appendingPathComponent("proc/meminfo").path, withDestinationPath: "/dev/zero")
      #expect(throws: ReadFailure.tooLarge(limit: FileTree.sizeLimit)) {
        try FileTree(folder: folder.path).bytes("/proc/meminfo")
      }
      #expect(try HardwareProbe(root: folder.path).profile().memory.total.value == nil)
    }
  }

  /// Bytes flipped, files cut, emptied, filled or removed: always a profile that can be written and read, or a sentence.
  @Test(arguments: ["8em64t-2s4c-asymcaches", "2arm-2c", "Zhaoxin-CentaurHauls-ZXD-4600", "20s390-2g6s4c"])
  func `damaged at random gives a profile or a sentence`(name: String) throws {
    try RecordedMachine.with(name) { machine in
      let paths = (FileManager.default.enumerator(atPath: machine.folder.path)?.compactMap { $0 as? String } ?? [])
        .filter { !isFolder("\(machine.folder.path)/\($0)") }.sorted()
      for seed in 0..<12 {
        var random = SeededRandom(seed: UInt64(seed))
        var saved: [String: Data] = [:]
        for _ in 0..<8 {
          let path = "\(machine.folder.path)/\(paths[Int.random(in: 0..<paths.count, using: &random)])"
          guard let content = FileManager.default.contents(atPath: path) else { continue }
          if saved[path] == nil { saved[path] = content }
          try damaged(content, &random).write(to: URL(fileURLWithPath: path))
        }
        do {
          let profile = try HardwareProbe(root: machine.folder.path).profile()
          #expect(try HardwareProfile(json: profile.json, file: name) == profile, "\(name), seed \(seed)")
        } catch let error as HardwareProbeError {
          #expect(!error.message.isEmpty && !error.remedy.isEmpty)
        }
        for (path, content) in saved { try content.write(to: URL(fileURLWithPath: path)) }
      }
    }
  }

  private func damaged(_ content: Data, _ random: inout SeededRandom) -> Data {
    switch Int.random(in: 0...4, using: &random) {
    case 0: return Data()
    case 1: return content.prefix(content.count / 2)
    case 2: return Data((0..<4096).map { _ in UInt8.random(in: .min ... .max, using: &random) })
    case 3: return Data(String(repeating: "9", count: 40).utf8)
    default:
      var bytes = [UInt8](content)
      guard !bytes.isEmpty else { return Data("-1,".utf8) }
      for _ in 0..<4 {
        bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: .min ... .max, using: &random)
      }
      return Data(bytes)
    }
  }

  private func withFolder(_ body: (URL) throws -> Void) throws {
    let folder = try RecordedMachine.temporaryFolder()
    defer { removeTemporary(folder.path) }
    try body(folder)
  }
}
