// SPDX-License-Identifier: Apache-2.0
internal import Hardware
internal import Quantities

/// The control groups that this process belongs to, versions 1 and 2, each with all of its parents.
///
/// `/proc/self/cgroup` gives the path of each hierarchy, the mount table where it is mounted and which part of it is
/// visible here (a container often sees only its own branch). Every level may limit, so all of them are read
/// (Linux, Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst).
struct ControlGroups {
  private struct Mount {
    var root: String
    var point: String
    var isUnified: Bool
    var options: Set<Substring>
  }

  let files: FileTree
  private let mounts: [Mount]
  private let memberships: [(controllers: Set<Substring>, path: String)]

  init(_ files: FileTree) {
    self.files = files
    mounts = Self.mounts(files)
    memberships = files.lines("/proc/self/cgroup").compactMap { line in
      let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard fields.count == 3 else { return nil }
      return (Set(fields[1].split(separator: ",")), String(fields[2]))
    }
  }

  /// `mountinfo` tells which part of a hierarchy is mounted; recordings may have only the older `mounts`.
  private static func mounts(_ files: FileTree) -> [Mount] {
    let detailed = files.lines("/proc/self/mountinfo").compactMap { line -> Mount? in
      let halves = line.split(separator: " ", omittingEmptySubsequences: false)
      guard let dash = halves.firstIndex(of: "-"), dash >= 5, dash + 3 < halves.count,
        halves[dash + 1].hasPrefix("cgroup")
      else { return nil }
      return Mount(
        root: unescaped(halves[3]), point: unescaped(halves[4]), isUnified: halves[dash + 1] == "cgroup2",
        options: Set(halves[dash + 3].split(separator: ",")))
    }
    guard detailed.isEmpty else { return detailed }
    let listed = listedMounts(files)
    return listed.isEmpty ? usualMounts(files) : listed
  }

  private static func listedMounts(_ files: FileTree) -> [Mount] {
    let table = files.exists("/proc/mounts") ? "/proc/mounts" : "/proc/self/mounts"
    return files.lines(table).compactMap { line in
      let fields = line.split(separator: " ")
      guard fields.count >= 4, ["cgroup", "cgroup2", "cpuset"].contains(fields[2]) else { return nil }
      let options = fields[2] == "cpuset" ? ["cpuset"] : Set(fields[3].split(separator: ","))
      return Mount(root: "/", point: unescaped(fields[1]), isUnified: fields[2] == "cgroup2", options: options)
    }
  }

  /// Where systems mount control groups, for recordings without a mount table.
  private static func usualMounts(_ files: FileTree) -> [Mount] {
    let folder = "/sys/fs/cgroup"
    let isUnified = ["cgroup.controllers", "memory.max", "cpu.max"].contains { files.exists("\(folder)/\($0)") }
    if isUnified { return [Mount(root: "/", point: folder, isUnified: true, options: [])] }
    return ["memory", "cpu", "cpuset"].filter { files.exists("\(folder)/\($0)") }.map {
      Mount(root: "/", point: "\(folder)/\($0)", isUnified: false, options: [$0[...]])
    }
  }

  /// The mount table writes a space as `\040`.
  private static func unescaped(_ field: Substring) -> String {
    field.split(separator: "\\040", omittingEmptySubsequences: false).joined(separator: " ")
  }

  /// Folders from this process's group up to the mount point, for a version 1 controller or (nil) version 2.
  func folders(_ controller: Substring?) -> [String] {
    let mount = mounts.first { mount in
      controller.map { !mount.isUnified && mount.options.contains($0) } ?? mount.isUnified
    }
    guard let mount else { return [] }
    let member = memberships.first { member in
      controller.map { member.controllers.contains($0) } ?? member.controllers.isEmpty
    }
    // Recordings of old kernels tell the cpuset's path in a file of its own.
    let tellsCpuset = controller == "cpuset" || (controller == nil && memberships.isEmpty)
    let older = tellsCpuset ? files.text("/proc/self/cpuset") : nil
    // A recording without memberships shows at least what limits everybody.
    guard let path = member?.path ?? older ?? (memberships.isEmpty ? "/" : nil) else { return [] }
    return Self.chain(path, root: mount.root).map { $0.isEmpty ? mount.point : "\(mount.point)/\($0)" }
  }

  /// Paths below the mount point, deepest first, ending in the mount point itself (an empty path).
  static func chain(_ path: String, root: String) -> [String] {
    let parts = path.split(separator: "/")
    let prefix = root.split(separator: "/")
    // A path outside the visible branch (another namespace's) leaves the mount point as all that can be read.
    guard parts.starts(with: prefix), !parts.contains("..") else { return [""] }
    let below = parts.dropFirst(prefix.count)
    return (0...below.count).reversed().map { below.prefix($0).joined(separator: "/") }
  }
}

extension ControlGroups {
  /// Every memory limit above this process.
  var memoryLimits: [MemoryLimit] {
    let unified = folders(nil).flatMap { folder in
      ["memory.max", "memory.high"].compactMap {
        limit("\(folder)/\($0)", used: "\(folder)/memory.current", statistics: folder, reclaimable: "inactive_file")
      }
    }
    let legacy = folders("memory").compactMap {
      limit(
        "\($0)/memory.limit_in_bytes", used: "\($0)/memory.usage_in_bytes", statistics: $0,
        reclaimable: "total_inactive_file")
    }
    return unified + legacy
  }

  /// Version 1 writes about 2^63 for "no limit", version 2 the word `max`.
  private func limit(_ path: String, used: String, statistics: String, reclaimable key: String) -> MemoryLimit? {
    guard let limit = files.int(path), limit >= 0, limit < 1 << 60 else { return nil }
    // Page cache that nobody used lately is given back before the limit bites.
    let reclaimable = files.value(key, in: "\(statistics)/memory.stat").flatMap { Int($0) } ?? 0
    let charged = min(files.int(used) ?? 0, 1 << 60)
    return MemoryLimit(
      limit: ByteCount(limit), source: path, used: ByteCount(max(0, charged - max(0, min(reclaimable, 1 << 60)))))
  }

  /// The smallest CPU quota above this process, in processors.
  var quota: (processors: Double, source: String)? {
    let unified = folders(nil).compactMap { folder -> (Double, String)? in
      let fields = (files.text("\(folder)/cpu.max") ?? "").split(separator: " ").map { Double($0) }
      guard fields.count == 2, let quota = fields[0], let period = fields[1] else { return nil }
      return Self.quota(quota, period, "\(folder)/cpu.max")
    }
    let legacy = folders("cpu").compactMap { folder -> (Double, String)? in
      guard let quota = files.double("\(folder)/cpu.cfs_quota_us"),
        let period = files.double("\(folder)/cpu.cfs_period_us")
      else { return nil }
      return Self.quota(quota, period, "\(folder)/cpu.cfs_quota_us")
    }
    return (unified + legacy).min { $0.0 < $1.0 }.map { (processors: $0.0, source: $0.1) }
  }

  private static func quota(_ quota: Double, _ period: Double, _ source: String) -> (Double, String)? {
    guard quota > 0, period > 0, quota.isFinite, period.isFinite, quota / period < 1e6 else { return nil }
    return (quota / period, source)
  }

  /// The PUs of the nearest group that names some; nil when no group does.
  var cpuset: Set<Int>? {
    let paths =
      folders(nil).map { "\($0)/cpuset.cpus.effective" }
      + folders("cpuset").flatMap { ["\($0)/cpuset.effective_cpus", "\($0)/cpuset.cpus", "\($0)/cpus"] }
    return nearest(paths)
  }

  /// The NUMA nodes of the nearest group that names some; nil when no group does.
  var nodeSet: Set<Int>? {
    nearest(
      folders(nil).map { "\($0)/cpuset.mems.effective" }
        + folders("cpuset").flatMap { ["\($0)/cpuset.effective_mems", "\($0)/cpuset.mems", "\($0)/mems"] })
  }

  private func nearest(_ paths: [String]) -> Set<Int>? {
    paths.lazy.compactMap { files.numberList($0) }.first { !$0.isEmpty }
  }
}
