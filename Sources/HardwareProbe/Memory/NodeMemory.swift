// SPDX-License-Identifier: Apache-2.0
internal import Hardware
internal import Quantities

/// Memory by NUMA node, for processes that a cpuset keeps on some of the nodes.
struct NodeMemory {
  private static let folder = "/sys/devices/system/node"
  private let files: FileTree
  init(_ files: FileTree) { self.files = files }

  /// What the allowed nodes hold; nil when every node with memory is allowed, or their memory cannot be read.
  func limit(allowed: Set<Int>?) -> MemoryLimit? {
    let nodes = Set(files.names(in: Self.folder).compactMap { $0.hasPrefix("node") ? Int($0.dropFirst(4)) : nil })
    guard let allowed = allowed?.intersection(nodes), !allowed.isEmpty, allowed != nodes else { return nil }
    let readings = allowed.compactMap { figures(node: $0) }
    guard readings.count == allowed.count else { return nil }
    let total = readings.reduce(0) { $0 + $1.total }
    let used = readings.reduce(0) { $0 + max(0, $1.total - $1.free) }
    return MemoryLimit(limit: ByteCount(total), source: "the cpuset's memory nodes", used: ByteCount(used))
  }

  /// Bytes in all, and those that are free or given back when asked for.
  private func figures(node: Int) -> (total: Int, free: Int)? {
    let lines = files.lines("\(Self.folder)/node\(node)/meminfo")
    func bytes(_ name: String) -> Int? {
      let line = lines.first { $0.contains(" \(name):") }
      let value = line?.split(separator: " ").dropLast().last.flatMap { Int($0) }
      return kernelBytes(kibibytes: value, missing: "").value.map { Int($0.bytes) }
    }
    guard let total = bytes("MemTotal"), let free = bytes("MemFree") else { return nil }
    return (total, free + (bytes("Inactive(file)") ?? 0) + (bytes("Active(file)") ?? 0))
  }
}
