// SPDX-License-Identifier: Apache-2.0
import Foundation
import Hardware
import Testing

@testable import HardwareProbe

@Suite struct `Processing units` {
  private func units(_ name: String) throws -> (units: [ProcessingUnit], expected: [String]) {
    try RecordedMachine.with(name) { recorded in
      let machine = try Machine(recordedAt: recorded.folder.path)
      defer { machine.close() }
      return (ProcessingUnit.reading(machine.files), try recorded.expected)
    }
  }

  @Test(arguments: [
    "40intel64-2g2n4c+pcilocality", "48amd64-4pa2n6c-sparse", "128arm-2pa2n8cluster4co",
    "20em64t-hybrid-1p6c2t+2ca4co1t",
  ])
  func `stand in the cores and on the nodes of which lstopo tells`(name: String) throws {
    let (units, expected) = try units(name)
    #expect(expected.contains("pus \(units.count)"))
    #expect(expected.contains("cores \(Set(units.map(\.core)).count)"))
    let nodes = Dictionary(grouping: units, by: \.node)
    #expect(nodes.count == expected.count { $0.hasPrefix("numa ") })
    for (node, own) in nodes {
      let line = expected.first { $0.hasPrefix("numa \(node) ") }
      #expect(line?.hasSuffix(" pus \(own.count)") == true, "node \(node): \(own.count)")
    }
    for unit in units { #expect(unit.core <= unit.number) }
  }

  @Test func `may be numbered through the nodes by turns`() throws {
    let units = try units("40intel64-2g2n4c+pcilocality").units
    #expect(units == (0..<40).map { ProcessingUnit($0, core: $0, node: $0 % 4) })
  }

  @Test func `of one machine without nodes and topology are cores of one node`() {
    let files = tree(["/sys/devices/system/cpu/online": "0-2,5\n"])
    #expect(ProcessingUnit.reading(files) == [0, 1, 2, 5].map { ProcessingUnit($0, core: $0, node: 0) })
    #expect(ProcessingUnit.reading(tree([:])) == [])
  }

  @Test func `that share a core have the number of its first, and nodes of memory alone have none`() {
    let cpu = "/sys/devices/system/cpu"
    let files = tree([
      "\(cpu)/online": "0-3\n", "\(cpu)/cpu0/topology/core_cpus_list": "0,2\n",
      "\(cpu)/cpu1/topology/core_cpus_list": "1,3\n", "\(cpu)/cpu2/topology/core_cpus_list": "0,2\n",
      "\(cpu)/cpu3/topology/core_cpus_list": "1,3\n", "/sys/devices/system/node/node0/cpulist": "0,2\n",
      "/sys/devices/system/node/node1/cpulist": "1,3\n", "/sys/devices/system/node/node2/cpulist": "\n",
    ])
    #expect(
      ProcessingUnit.reading(files)
        == [(0, 0, 0), (1, 1, 1), (2, 0, 0), (3, 1, 1)].map { ProcessingUnit($0, core: $1, node: $2) })
  }
}
