// SPDX-License-Identifier: Apache-2.0
internal import Hardware
internal import Quantities

/// Our own, smaller reading of `/sys/devices/system/cpu`: it checks hwloc and stands in for it.
struct SysfsTopology {
  private static let folder = "/sys/devices/system/cpu"
  let files: FileTree
  let online: Set<Int>
  let offline: Set<Int>

  init(_ files: FileTree) {
    self.files = files
    let numbered = Set(
      files.names(in: Self.folder).compactMap { $0.hasPrefix("cpu") ? Int($0.dropFirst(3)) : nil }.filter { $0 >= 0 })
    let withTopology = numbered.filter {
      files.exists("\(Self.folder)/cpu\($0)/topology") && files.int("\(Self.folder)/cpu\($0)/online") != 0
    }
    online = files.numberList("\(Self.folder)/online") ?? withTopology
    let present = files.numberList("\(Self.folder)/present") ?? numbered
    offline = present.subtracting(online)
  }

  /// Packages, cores and PUs; caches and nodes when `isComplete`, which costs some 20 reads per PU.
  func topology(isComplete: Bool) -> Topology {
    var topology = Topology()
    topology.processingUnits = online
    var packages: Set<Int> = []
    var dies: Set<[Int]> = []
    var cores: Set<String> = []
    for unit in online {
      let path = "\(Self.folder)/cpu\(unit)/topology"
      guard let core = siblings(of: unit) else { continue }
      let package = files.int("\(path)/physical_package_id") ?? 0
      packages.insert(package)
      dies.insert([package, files.int("\(path)/die_id") ?? 0])
      cores.insert(core)
    }
    topology.packages = packages.sorted()
    topology.dies = dies.count > packages.count ? Array(0..<dies.count) : []
    topology.coreCount = cores.count
    if isComplete {
      topology.caches = caches
      topology.nodes = nodes
    }
    return topology
  }

  /// The units of a unit's core, as the kernel writes them: the same text for all of them.
  func siblings(of unit: Int) -> String? {
    let path = "\(Self.folder)/cpu\(unit)/topology"
    return files.text("\(path)/core_cpus_list") ?? files.text("\(path)/thread_siblings_list")
      ?? files.text("\(path)/thread_siblings")
  }

  private var caches: [CacheLevel] {
    var groups = CacheGroups()
    var seen: Set<[String]> = []
    for unit in online.sorted() {
      let folder = "\(Self.folder)/cpu\(unit)/cache"
      for index in files.names(in: folder) where index.hasPrefix("index") {
        let path = "\(folder)/\(index)"
        guard let level = files.int("\(path)/level"), let kind = files.text("\(path)/type"),
          let size = files.text("\(path)/size").flatMap({ kernelSize($0) }),
          let shared = files.text("\(path)/shared_cpu_list"), seen.insert(["\(level)", kind, shared]).inserted
        else { continue }
        let units = numberSet(shared)?.intersection(online).count ?? 0
        groups.add(
          level: level, kind: kind, size: size, line: files.int("\(path)/coherency_line_size") ?? 0, shared: units)
      }
    }
    return groups.levels
  }

  static let nodeFolder = "/sys/devices/system/node"

  var nodeNumbers: [Int] {
    let numbers = files.names(in: Self.nodeFolder).compactMap { $0.hasPrefix("node") ? Int($0.dropFirst(4)) : nil }
    return numbers.filter { (0..<65536).contains($0) }.sorted()
  }

  private var nodes: [NUMANode] {
    let folder = Self.nodeFolder
    return nodeNumbers.map {
      let line = files.lines("\(folder)/node\($0)/meminfo").first { $0.contains("MemTotal:") }
      let kibibytes = line.flatMap { $0.split(separator: " ").dropLast().last }.flatMap { Int($0) }
      let units = files.numberList("\(folder)/node\($0)/cpulist")?.intersection(online).count ?? 0
      let distances = (files.text("\(folder)/node\($0)/distance") ?? "").split(separator: " ")
        .compactMap { Int($0) }.map { min(max(0, $0), 1 << 31) }
      return NUMANode(
        index: $0,
        capacity: kernelBytes(kibibytes: kibibytes, missing: "'\(folder)/node\($0)/meminfo' has no MemTotal"),
        distances: distances, processingUnitCount: units)
    }
  }
}

/// A size as the kernel writes it for caches: `32K`, `8192K`, `1M`.
func kernelSize(_ text: String) -> Int? {
  let factors: [Character: Int] = ["K": 1 << 10, "M": 1 << 20, "G": 1 << 30]
  let factor = text.last.flatMap { factors[$0] }
  guard let value = Int(factor == nil ? Substring(text) : text.dropLast()), value >= 0 else { return nil }
  let (bytes, overflow) = value.multipliedReportingOverflow(by: factor ?? 1)
  return overflow || bytes > 1 << 60 ? nil : bytes
}

/// A figure in kB of `/proc/meminfo` and its kin; beyond 2^60 bytes it is no figure of a machine.
func kernelBytes(kibibytes: Int?, missing reason: String) -> Known<ByteCount> {
  guard let kibibytes else { return .unknown(reason: reason) }
  guard kibibytes >= 0, kibibytes <= 1 << 50 else {
    return .unknown(reason: "the kernel's figure of \(kibibytes) kB cannot be")
  }
  return .exact(ByteCount(kibibytes * 1024), .measured)
}
