// SPDX-License-Identifier: Apache-2.0
internal import CHostProbe
internal import Glibc
internal import Hardware
internal import Quantities

/// Packages, dies, cores, PUs, caches and NUMA nodes, as hwloc or our own reading of /sys sees them.
struct Topology: Equatable {
  struct Kind: Equatable {
    var efficiency: Int
    var coreCount: Int
    var processingUnitCount: Int
    var maximumHertz: Double?
    /// hwloc's word for hybrid processors: `IntelCore`, `IntelAtom`.
    var coreType: String?
  }

  var packages: [Int] = []
  var dies: [Int] = []
  var coreCount = 0
  var processingUnits: Set<Int> = []
  var caches: [CacheLevel] = []
  var nodes: [NUMANode] = []
  var kinds: [Kind] = []
  var vendor: String?
  var model: String?

  var isEmpty: Bool { processingUnits.isEmpty }
}

extension Topology {
  enum Source {
    case live
    case files(folder: String)
    case cpuid(folder: String)
  }

  /// Asks hwloc; nil when it cannot read the machine.
  init?(asking source: Source) {
    let (kind, folder): (chp_topology_source, String) =
      switch source {
      case .live: (CHP_LIVE, "")
      case .files(let folder): (CHP_FILES, folder)
      case .cpuid(let folder): (CHP_CPUID, folder)
      }
    // 9 kB describe 256 PUs.
    var capacity = 64 << 10
    while capacity <= 16 << 20 {
      let (length, text) = Self.ask(kind, folder, capacity)
      if length > 0 {
        self.init(parsing: text)
        return
      }
      guard length == -Int(ENOSPC) else { return nil }
      capacity *= 8
    }
    return nil
  }

  private static func ask(_ kind: chp_topology_source, _ folder: String, _ capacity: Int) -> (Int, String) {
    var length = 0
    let text = String(unsafeUninitializedCapacity: capacity) { buffer in
      length = buffer.withMemoryRebound(to: CChar.self) { chp_topology(kind, folder, $0.baseAddress, capacity) }
      return max(0, length)
    }
    return (length, text)
  }

  /// Reads the lines of `chp_topology`; a line that is not understood is left out.
  init(parsing text: String) {
    var groups = CacheGroups()
    var distances: [[Int]] = []
    for line in text.split(separator: "\n") {
      let fields = line.split(separator: " ")
      let numbers = fields.dropFirst().map { Int($0) ?? -1 }
      switch (fields.first, numbers.count) {
      case ("package", 1): packages.append(numbers[0])
      case ("die", 1): dies.append(numbers[0])
      case ("core", 1): coreCount += 1
      case ("pu", 1): processingUnits.insert(numbers[0])
      case ("cache", 5):
        groups.add(level: numbers[0], kind: fields[2], size: numbers[2], line: numbers[3], shared: numbers[4])
      case ("numa", 3) where (0..<65536).contains(numbers[0]):
        nodes.append(NUMANode(index: numbers[0], bytes: numbers[1], processingUnitCount: numbers[2]))
      case ("kind", 5): kinds.append(Kind(fields: fields, numbers: numbers))
      case ("distance", 1...): distances.append(numbers.map { min(max(0, $0), 1 << 31) })
      case ("info", 2...):
        let value = line.split(separator: " ", maxSplits: 2)[2].trimmed
        if fields[1] == "CPUVendor" { vendor = value } else { model = value }
      default: break
      }
    }
    caches = groups.levels
    if distances.count == nodes.count {
      for index in nodes.indices { nodes[index].distances = distances[index] }
    }
    sortNodes()
  }

  /// hwloc orders nodes by where they hang in the tree; we order them, and each row of distances, by their numbers.
  private mutating func sortNodes() {
    let order = nodes.indices.sorted { nodes[$0].index < nodes[$1].index }
    nodes = order.map { place in
      var node = nodes[place]
      let row = node.distances
      if row.count == order.count { node.distances = order.map { row[$0] } }
      return node
    }
  }
}

extension Topology.Kind {
  fileprivate init(fields: [Substring], numbers: [Int]) {
    efficiency = numbers[0]
    coreCount = max(0, numbers[1])
    processingUnitCount = max(0, numbers[2])
    maximumHertz = numbers[3] > 0 ? Double(numbers[3]) * 1e6 : nil
    coreType = fields[5] == "-" ? nil : String(fields[5])
  }
}

extension NUMANode {
  /// A node with no known capacity (a CPUID dump tells none) is unknown, not empty.
  fileprivate init(index: Int, bytes: Int, processingUnitCount: Int) {
    let capacity: Known<ByteCount> =
      (1...1 << 60).contains(bytes)
      ? .exact(ByteCount(bytes), .measured) : .unknown(reason: "the recording does not tell this node's memory")
    self.init(index: index, capacity: capacity, processingUnitCount: max(0, processingUnitCount))
  }
}

/// Caches by their properties, with how many there are of each.
struct CacheGroups {
  private var counts: [(level: CacheLevel, count: Int)] = []

  mutating func add(level: Int, kind: some StringProtocol, size: Int, line: Int, shared: Int) {
    guard let kind = CacheLevel.Kind(rawValue: kind.lowercased()), (1...16).contains(level),
      (1...1 << 60).contains(size), (0...1 << 20).contains(line),
      shared > 0
    else { return }
    let cache = CacheLevel(
      level: level, kind: kind, size: ByteCount(size), lineSize: line > 0 ? ByteCount(line) : nil,
      sharedByProcessingUnits: shared, count: 1)
    if let index = counts.firstIndex(where: { $0.level == cache }) {
      counts[index].count += 1
    } else {
      counts.append((cache, 1))
    }
  }

  /// Lowest level first, data before instructions, largest first.
  var levels: [CacheLevel] {
    counts.map { level, count in
      var level = level
      level.count = count
      return level
    }.sorted {
      ($0.level, $0.kind.rawValue, $1.size, $1.sharedByProcessingUnits)
        < ($1.level, $1.kind.rawValue, $0.size, $0.sharedByProcessingUnits)
    }
  }
}
