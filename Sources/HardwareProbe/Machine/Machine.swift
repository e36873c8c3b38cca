// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// Where a machine is read from: its files, its CPUID answers, and what only a live machine can tell.
struct Machine: Sendable {
  var files: FileTree
  var isLive: Bool
  /// The name to show; nil on a live machine, whose host name is nobody's business.
  var name: String?
  /// One per PU of a recording, one for all of a live machine, none off x86.
  var cpuid: [CPUIDLeaves]
  var nvidia: NVIDIADevices
  /// What hwloc is to read.
  var topologySource: Topology.Source
  /// A folder that was made for this reading.
  private var temporaryFolder: String?

  /// This machine.
  static var live: Machine {
    Machine(
      files: .host, isLive: true, cpuid: CPUIDLeaves(live: ()).map { [$0] } ?? [], nvidia: .live, topologySource: .live)
  }

  /// - Parameter path: a folder with `proc` and `sys`, with CPUID dumps, or with both (`fsroot`, `cpuid`); the parent
  ///   of one such folder; or a tar archive of it.
  init(recordedAt path: String) throws(HardwareProbeError) {
    guard access(path, R_OK) == 0 else { throw .rootMissing(path: path) }
    var folder = path
    if !isFolder(path) {
      folder = try TarArchive.unpack(path)
      temporaryFolder = folder
    }
    guard let found = RecordedFolders(below: folder) else {
      removeTemporary(temporaryFolder)
      throw .notAMachine(path: path)
    }
    let base = path.split(separator: "/").last.map { String($0) } ?? path
    name = base.hasSuffix(".tar") ? String(base.dropLast(4)) : base
    isLive = false
    files = FileTree(folder: found.files ?? found.cpuid ?? folder)
    cpuid = found.cpuid.map { CPUIDLeaves.dumps(in: $0) } ?? []
    nvidia = .notAsked
    topologySource = found.files.map { .files(folder: $0) } ?? .cpuid(folder: found.cpuid ?? folder)
  }

  /// Files alone, without hwloc and live answers.
  init(files: FileTree, cpuid: [CPUIDLeaves] = []) {
    self.init(
      files: files, isLive: false, cpuid: cpuid, nvidia: .notAsked, topologySource: .files(folder: "/nonexistent"))
  }

  private init(
    files: FileTree, isLive: Bool, cpuid: [CPUIDLeaves], nvidia: NVIDIADevices, topologySource: Topology.Source
  ) {
    (self.files, self.isLive, self.cpuid) = (files, isLive, cpuid)
    (self.nvidia, self.topologySource) = (nvidia, topologySource)
  }

  /// The same machine with every file that is read remembered.
  func recording(into recorder: FileRecorder) -> Machine {
    var copy = self
    copy.files = FileTree(recording: files, into: recorder)
    return copy
  }

  func close() { removeTemporary(temporaryFolder) }
}

/// The folders of a recording.
struct RecordedFolders: Equatable {
  /// The folder that holds `proc` and `sys`.
  var files: String?
  /// The folder that holds `pu0`, `pu1`, ...
  var cpuid: String?

  /// Looks in the folder, then in its only child, as archives often hold one folder; nil when there is no machine.
  init?(below folder: String, depth: Int = 3) {
    files = [folder, "\(folder)/fsroot"].first { Self.holdsMachine(FileTree(folder: $0)) }
    cpuid = [folder, "\(folder)/cpuid"].first { access("\($0)/pu0", R_OK) == 0 }
    if files != nil || cpuid != nil { return }
    let children = FileTree.host.names(in: folder).map { "\(folder)/\($0)" }.filter { isFolder($0) }
    guard depth > 0, children.count == 1, let below = RecordedFolders(below: children[0], depth: depth - 1) else {
      return nil
    }
    self = below
  }

  private static func holdsMachine(_ files: FileTree) -> Bool {
    ["/sys/devices/system/cpu", "/proc/cpuinfo", "/proc/meminfo", "/proc/self/cgroup", "/proc/self/cpuset"].contains {
      files.exists($0)
    }
  }
}

func isFolder(_ path: String) -> Bool {
  var facts = stat()
  return stat(path, &facts) == 0 && facts.st_mode & S_IFMT == S_IFDIR
}

extension CPUIDLeaves {
  /// The dumps of a folder, by PU.
  static func dumps(in folder: String) -> [CPUIDLeaves] {
    let files = FileTree(folder: folder)
    let numbers = files.names(in: "/").compactMap { $0.hasPrefix("pu") ? Int($0.dropFirst(2)) : nil }
    return numbers.sorted().compactMap { files.text("/pu\($0)").map { CPUIDLeaves(dump: $0) } }
  }
}
