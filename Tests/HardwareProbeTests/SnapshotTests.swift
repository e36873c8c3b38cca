// SPDX-License-Identifier: Apache-2.0
import Foundation
import Hardware
@testable import HardwareProbe
import Quantities
import TestSupport
import Testing

@Suite struct `A snapshot` {
  @Test func `read back gives the profile of this machine`() throws {
    try withSnapshot { path in
      var recorded = try HardwareProbe(root: path).profile()
      var live = try HardwareProbe().profile()
      #expect(recorded.origin == .recorded)
      // What changes from one moment to the next, or names the recording, cannot be the same.
      (recorded.name, recorded.origin) = (live.name, live.origin)
      recorded.memory.available = live.memory.available
      recorded.memory.usedOfLimit = live.memory.usedOfLimit
      recorded.memory.limitSource = recorded.memory.limitSource.map { _ in live.memory.limitSource ?? "" }
      recorded.processor.limits.quotaSource = recorded.processor.limits.quotaSource.map { _ in
        live.processor.limits.quotaSource ?? ""
      }
      (recorded.accelerators, live.accelerators) = ([], live.accelerators.filter { $0.source != "NVML" })
      recorded.powerSensors.removeAll { !$0.isReadable || $0.kind == .perf }
      // Libraries, the kernel's events and registers answer on the machine itself alone.
      live.powerSensors.removeAll { !$0.isReadable || [.nvml, .perf, .msr].contains($0.kind) }
      #expect(recorded == live)
    }
  }

  @Test func `unpacked into a folder gives the same as the file`() throws {
    try withSnapshot { path in
      let folder = try TarArchive.unpack(path)
      defer { removeTemporary(folder) }
      var fromFolder = try HardwareProbe(root: folder).profile()
      let fromFile = try HardwareProbe(root: path).profile()
      fromFolder.name = fromFile.name
      #expect(fromFolder == fromFile)
    }
  }

  @Test func `holds no host name, no user name and no serial number`() throws {
    let archive = String(decoding: SnapshotWriter().archive, as: UTF8.self)
    for name in SnapshotCleaner.ownNames { #expect(!archive.contains(name)) }
    #expect(!archive.contains("Serial"))
    let hexadecimal = try Regex("[0-9a-f]{2}(:[0-9a-f]{2}){5}")
    #expect(archive.firstMatch(of: hexadecimal) == nil)
  }

  @Test func `of a machine with names in it has others in their place`() throws {
    let identifier = "b381bd382b56416a4e511d30d4ee07c9"
    let cleaned = SnapshotCleaner(names: ["buster", "ada"]).cleaned([
      "/proc/self/cgroup": Array("4:memory:/docker/\(identifier)\n0::/user.slice/ada.slice\n".utf8),
      "/sys/fs/cgroup/memory/docker/\(identifier)/memory.limit_in_bytes": Array("1073741824\n".utf8),
      "/proc/mounts": Array("nas:/home/ada /home nfs4 rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n".utf8),
      "/proc/cpuinfo": Array("processor\t: 0\nSerial\t\t: 00000000abcdef12\n".utf8),
      "/proc/sys/kernel/osrelease": Array("6.1.0-buster-custom Canada\n".utf8),
      "/proc/self/status": Array("Name:\tanprobe\nVmSize:\t  10 kB\n".utf8),
      "/sys/devices/system/cpu/cpu0/topology/core_cpus": Array("ffffffff\n".utf8),
    ]).mapValues { String(decoding: $0, as: UTF8.self) }
    #expect(cleaned["/proc/self/cgroup"] == "4:memory:/docker/id1\n0::/user.slice/host.slice\n")
    #expect(cleaned["/sys/fs/cgroup/memory/docker/id1/memory.limit_in_bytes"] == "1073741824\n")
    #expect(cleaned["/proc/mounts"] == "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n")
    #expect(cleaned["/proc/cpuinfo"]?.contains("abcdef12") == false)
    #expect(cleaned["/proc/sys/kernel/osrelease"] == "6.1.0-host-custom Canada\n")
    #expect(cleaned["/proc/self/status"] == "VmSize:\t  10 kB\n")
    #expect(cleaned["/sys/devices/system/cpu/cpu0/topology/core_cpus"] == "ffffffff\n")
  }

  @Test func `that cannot be written says so`() {
    #expect(throws: HardwareProbeError.snapshotNotWritten(path: "/nonexistent/x.tar", errno: ENOENT)) {
      try SnapshotWriter().write(to: "/nonexistent/x.tar")
    }
  }

  @Test func `is understood by tar`() throws {
    try withSnapshot { path in
      let listing = try output("/bin/tar", ["tf", path])
      #expect(listing.contains("proc/cpuinfo") && listing.contains("sys/devices/system/cpu/online"))
    }
  }

  private func withSnapshot(_ body: (String) throws -> Void) throws {
    let folder = try RecordedMachine.temporaryFolder()
    defer { removeTemporary(folder.path) }
    let path = folder.appendingPathComponent("machine.tar").path
    try SnapshotWriter().write(to: path)
    try body(path)
  }

  private func output(_ program: String, _ arguments: [String]) throws -> String {
    let pipe = try ChildProcess.Pipe()
    defer { close(pipe.reading) }
    let process = try ChildProcess(program, arguments, output: .pipe(pipe))
    let data = pipe.readToEnd()
    #expect(process.wait() == .exit(0))
    return String(decoding: data, as: UTF8.self)
  }
}

@Suite struct `A tar archive` {
  private func archive(_ files: [(String, String)]) -> [UInt8] {
    files.flatMap { name, text -> [UInt8] in
      TarHeader.blocks(name: name, size: text.utf8.count) + Array(text.utf8)
        + [UInt8](repeating: 0, count: TarHeader.padding(text.utf8.count))
    } + [UInt8](repeating: 0, count: 1024)
  }

  @Test(arguments: [0, 1, 99, 100, 101, 155, 300])
  func `keeps names and contents of any length`(length: Int) throws {
    let name = "a/" + String(repeating: "b", count: length)
    let text = String(repeating: "x", count: length * 7)
    let entries = try TarArchive.entries(archive([(name, text), ("last", "1")]), of: "t")
    #expect(entries.map { $0.path.joined(separator: "/") } == [length == 0 ? "a" : name, "last"])
    #expect(String(decoding: entries[0].content, as: UTF8.self) == text)
  }

  @Test func `cannot write outside of its folder`() throws {
    let entries = try TarArchive.entries(archive([("../../evil", "1"), ("/etc/x", "2"), ("good", "3")]), of: "t")
    #expect(entries.map { $0.path.joined(separator: "/") } == ["etc/x", "good"])
  }

  @Test func `that is damaged, cut or compressed is refused with the place`() throws {
    var broken = archive([("a", "1"), ("b", "2")])
    broken[1024 + 5] ^= 0x40
    #expect(
      throws: HardwareProbeError.archiveDamaged(path: "t", offset: 1024, reason: "the checksum of a header is wrong")
    ) { try TarArchive.entries(broken, of: "t") }
    #expect(
      throws: HardwareProbeError.archiveDamaged(
        path: "t", offset: 0, reason: "an entry ends after the end of the file")
    ) { try TarArchive.entries(Array(archive([("a", String(repeating: "1", count: 2000))]).prefix(1024)), of: "t") }
    let folder = try RecordedMachine.temporaryFolder()
    defer { removeTemporary(folder.path) }
    let path = folder.appendingPathComponent("m.tar.bz2").path
    try Data("BZh91AY&SY".utf8).write(to: URL(fileURLWithPath: path))
    #expect(throws: HardwareProbeError.archiveCompressed(path: path)) { try HardwareProbe(root: path).profile() }
  }

  @Test func `flipped at random never crashes the reader`() throws {
    let original = archive((0..<20).map { ("proc/file\($0)", String(repeating: "\($0)", count: $0 * 40)) })
    var random = SeededRandom(seed: 11)
    var refused = 0
    for _ in 0..<500 {
      var bytes = original
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: .min ... .max, using: &random)
      }
      if Bool.random(using: &random) { bytes.removeLast(Int.random(in: 0..<bytes.count, using: &random)) }
      do { _ = try TarArchive.entries(bytes, of: "t") } catch {
        #expect(error.message.contains("'t'"))
        refused += 1
      }
    }
    #expect(refused > 50)
  }
}
