// SPDX-License-Identifier: Apache-2.0
import Foundation
import Hardware
@testable import HardwareProbe
import Quantities
import Testing

/// Files of a made-up machine, by path.
func tree(_ files: [String: String], unreadable: [String] = []) -> FileTree {
  var content = files.mapValues { Result<[UInt8], ReadFailure>.success(Array($0.utf8)) }
  for path in unreadable { content[path] = .failure(.permissionDenied) }
  return FileTree(files: content)
}

private let unifiedMount = "31 23 0:28 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
private let gibibyte = 1 << 30

@Suite struct `The limit that binds` {
  @Test func `of nested version 2 groups is the smallest above us`() throws {
    let base = "/sys/fs/cgroup"
    let groups = ControlGroups(
      tree([
        "/proc/self/cgroup": "0::/user.slice/job/step\n", "/proc/self/mountinfo": unifiedMount,
        "\(base)/user.slice/memory.max": "max\n", "\(base)/user.slice/job/memory.max": "\(2 * gibibyte)\n",
        "\(base)/user.slice/job/memory.current": "\(gibibyte / 2)\n",
        "\(base)/user.slice/job/memory.stat": "anon 1\ninactive_file \(gibibyte / 4)\n",
        "\(base)/user.slice/job/step/memory.max": "\(8 * gibibyte)\n",
        "\(base)/user.slice/job/step/memory.high": "max\n",
      ]))
    let limit = try #require(MemoryLimit.binding(groups.memoryLimits))
    #expect(limit.limit == .gibibytes(2) && limit.source == "\(base)/user.slice/job/memory.max")
    // A quarter of the half that is charged is page cache, which is given back.
    #expect(limit.room == .gibibytes(1.75))
  }

  @Test func `of version 1 is found below the mounted part and ignores the number that means none`() throws {
    let groups = ControlGroups(
      tree([
        "/proc/self/cgroup": "4:memory:/docker/abc\n2:cpu,cpuacct:/docker/abc\n",
        "/proc/self/mountinfo":
          "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
          + "32 31 0:29 /docker/abc /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes": "536870912\n",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes": "1048576\n",
        "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "150000\n",
        "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
      ]))
    #expect(groups.memoryLimits.map(\.limit) == [.mebibytes(512)])
    #expect(groups.quota?.processors == 1.5)
    let free = ControlGroups(
      tree([
        "/proc/self/cgroup": "4:memory:/\n",
        "/proc/self/mountinfo": "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
      ]))
    #expect(free.memoryLimits.isEmpty && free.quota == nil)
  }

  @Test func `of processor time in version 2 is one and a half processors`() {
    let groups = ControlGroups(
      tree([
        "/proc/self/cgroup": "0::/a/b\n", "/proc/self/mountinfo": unifiedMount,
        "/sys/fs/cgroup/a/cpu.max": "150000 100000\n",
        "/sys/fs/cgroup/a/b/cpu.max": "max 100000\n",
      ]))
    #expect(groups.quota?.processors == 1.5 && groups.quota?.source == "/sys/fs/cgroup/a/cpu.max")
  }

  @Test func `is found without a mount table where systems usually mount`() {
    let groups = ControlGroups(
      tree(["/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/memory.max": "\(2 * gibibyte)\n"]))
    #expect(groups.memoryLimits.map(\.limit) == [.gibibytes(2)])
    let older = ControlGroups(tree(["/sys/fs/cgroup/memory/memory.limit_in_bytes": "\(gibibyte)\n"]))
    #expect(older.memoryLimits.map(\.limit) == [.gibibytes(1)])
  }

  @Test func `of the shell counts what the process already maps`() throws {
    let limits = ProcessLimits(
      files: tree([
        "/proc/self/limits": """
        Limit                     Soft Limit           Hard Limit           Units
        Max data size             unlimited            unlimited            bytes
        Max address space         4294967296           unlimited            bytes
        """, "/proc/self/status": "Name:\tx\nVmSize:\t 1048576 kB\n",
      ])
    ).memory
    let limit = try #require(limits.first)
    #expect(limits.count == 1 && limit.limit == .gibibytes(4) && limit.room == .gibibytes(3))
    #expect(limit.source == "RLIMIT_AS (ulimit)")
  }

  @Test(arguments: [
    ("/a/b", "/", ["a/b", "a", ""]), ("/docker/x", "/docker/x", [""]), ("/docker/x/y", "/docker/x", ["y", ""]),
    ("/", "/", [""]), ("/../../other", "/", [""]), ("/other", "/docker/x", [""]),
  ])
  func `is looked for from our group up to the mount`(path: String, root: String, chain: [String]) {
    #expect(ControlGroups.chain(path, root: root) == chain)
  }

  @Test func `reaches the profile of a recorded machine`() throws {
    let folder = try RecordedMachine.temporaryFolder()
    defer { removeTemporary(folder.path) }
    let files = [
      "proc/meminfo": "MemTotal: 16777216 kB\nMemAvailable: 12582912 kB\n", "proc/self/cgroup": "0::/job\n",
      "proc/self/mountinfo": unifiedMount, "sys/fs/cgroup/job/memory.max": "\(2 * gibibyte)\n",
      "sys/fs/cgroup/cpu.max": "150000 100000\n", "sys/devices/system/cpu/online": "0-3\n",
    ]
    try write(files, below: folder)
    let profile = try HardwareProbe(root: folder.path).profile()
    #expect(profile.memory.limit == .gibibytes(2) && profile.memory.usable.value == .gibibytes(2))
    #expect(profile.memory.limitSource == "/sys/fs/cgroup/job/memory.max")
    #expect(profile.processor.limits.quotaProcessors == 1.5 && profile.processor.usableThreads == 1)
  }
}
