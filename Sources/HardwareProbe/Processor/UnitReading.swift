// SPDX-License-Identifier: Apache-2.0
package import Hardware

extension ProcessingUnit {
  /// The units that are online, by number; without a topology each is a core of its own, without nodes all are on one.
  package static func reading(_ files: FileTree) -> [ProcessingUnit] {
    let topology = SysfsTopology(files)
    let nodes = topology.nodeOfUnit
    var cores: [String: Int] = [:]
    return topology.online.sorted().map { unit in
      let core = topology.siblings(of: unit).map { name in
        let first = cores[name] ?? unit
        cores[name] = first
        return first
      }
      return ProcessingUnit(unit, core: core ?? unit, node: nodes[unit] ?? 0)
    }
  }
}

extension SysfsTopology {
  /// The node that each unit belongs to; nodes of memory alone have none.
  var nodeOfUnit: [Int: Int] {
    var nodes: [Int: Int] = [:]
    for node in nodeNumbers {
      for unit in files.numberList("\(Self.nodeFolder)/node\(node)/cpulist") ?? [] { nodes[unit] = node }
    }
    return nodes
  }
}
