// SPDX-License-Identifier: Apache-2.0
import Foundation
import Hardware
@testable import HardwareProbe
import Quantities
import TestSupport
import Testing

@Suite struct `Recorded machines` {
  /// The archive of a cpuset alone, of which hwloc itself makes nothing.
  private static let withoutTopology = "test1.fsroot"

  @Test(arguments: RecordedMachine.names.filter { $0 != Self.withoutTopology })
  func `give what lstopo says of the whole archive`(name: String) throws {
    try RecordedMachine.with(name) { machine in
      let profile = try HardwareProbe(root: machine.folder.path).profile()
      // A cache none of whose PUs this process may use is no cache of ours; lstopo lists it beside its memory.
      let expected = try machine.expected.filter { !$0.contains(" shared 0 ") }
      #expect(lines(profile) == expected, "\(name)")
      #expect(profile.origin == .recorded && profile.processor.architecture != "unknown")
      #expect(!profile.notes.contains { $0.contains("hwloc") })
    }
  }

  @Test func `are more than twenty`() {
    #expect(RecordedMachine.names.count >= 23)
  }

  /// Our own reading of /sys is the naive twin of hwloc's, where no cpuset hides anything.
  @Test(
    arguments: [
      "128arm-2pa2n8cluster4co", "20em64t-hybrid-1p6c2t+2ca4co1t", "40intel64-2g2n4c+pcilocality",
      "48amd64-4pa2n6c-sparse", "8em64t-2s4c-asymcaches",
    ])
  func `read by our own reader of sysfs have the same processors and caches`(name: String) throws {
    try RecordedMachine.with(name) { machine in
      let files = FileTree(folder: machine.folder.path)
      let ours = SysfsTopology(files).topology(isComplete: true)
      let hwloc = try #require(Topology(asking: .files(folder: machine.folder.path)))
      #expect(ours.processingUnits == hwloc.processingUnits)
      #expect(ours.packages.count == hwloc.packages.count && ours.coreCount == hwloc.coreCount)
      #expect(ours.caches == hwloc.caches)
      #expect(ours.nodes.map(\.capacity.value) == hwloc.nodes.map(\.capacity.value))
    }
  }

  @Test func `of a hybrid processor tell performance from efficiency cores`() throws {
    try RecordedMachine.with("20em64t-hybrid-1p6c2t+2ca4co1t") { machine in
      let kinds = try HardwareProbe(root: machine.folder.path).profile().processor.coreKinds
      // Intel's data sheet of the Core i7-1370P: 6 performance cores with two threads each, 8 efficient ones to 3.9 GHz.
      try #require(kinds.map(\.name) == ["performance", "efficiency"])
      #expect(kinds.map(\.coreCount) == [6, 8] && kinds.map(\.processingUnitCount) == [12, 8])
      #expect(kinds[1].maximumHertz == 3.9e9)
    }
  }

  @Test func `with processors off line count them apart`() throws {
    try RecordedMachine.with("16em64t-4s2c2t-offlines") { machine in
      let processor = try HardwareProbe(root: machine.folder.path).profile().processor
      #expect(processor.processingUnitCount + processor.limits.offlineCount == 16)
      #expect(processor.limits.offlineCount == 4)
    }
  }

  @Test func `in a cpuset may use the memory of its nodes only`() throws {
    try RecordedMachine.with("32amd64-4s2n4c-cgroup2") { machine in
      let profile = try HardwareProbe(root: machine.folder.path).profile()
      let nodes = profile.memory.numaNodes.compactMap(\.capacity.value?.bytes).reduce(0, +)
      #expect(profile.memory.limit == ByteCount(nodes))
      #expect(profile.memory.limitSource == "the cpuset's memory nodes")
    }
  }

  @Test func `without a topology take the processors of their cpuset`() throws {
    try RecordedMachine.with(Self.withoutTopology) { machine in
      let profile = try HardwareProbe(root: machine.folder.path).profile()
      #expect(profile.processor.processingUnitCount == 10)
      #expect(profile.notes.contains { $0.contains("cpuset") })
    }
  }

  @Test func `tell the instruction sets that CPUID tells and nothing from the name`() throws {
    func present(_ name: String) throws -> Set<String> {
      try RecordedMachine.with(name) { machine in
        Set(
          try HardwareProbe(root: machine.folder.path).profile().processor.instructionSets.filter(\.isPresent).map(
            \.name))
      }
    }
    // Intel and AMD data sheets: AVX2 since Haswell, AVX-512 VNNI since Cascade Lake, BF16 on Zen 5, F alone on Phi.
    #expect(try present("Intel-SandyBridge-2xXeon-E5-2650").isSuperset(of: ["sse4_2", "avx"]))
    #expect(try !present("Intel-SandyBridge-2xXeon-E5-2650").contains("avx2"))
    #expect(try present("Intel-Haswell-2xXeon-E5-2680v3").isSuperset(of: ["avx2", "fma", "f16c"]))
    #expect(try present("Intel-CascadeLake-2xXeon6230").isSuperset(of: ["avx512bw", "avx512_vnni"]))
    #expect(try !present("AMD-17h-Zen-2xEpyc-7451").contains("avx512f"))
    #expect(try present("AMD-1Ah-Zen5StrixPoint-RyzenAI9HX370").isSuperset(of: ["avx512_bf16", "avx_vnni"]))
    let phi = try present("Intel-KnightsLanding-XeonPhi-7210")
    #expect(phi.contains("avx512f") && !phi.contains("avx512bw"))
    #expect(try present("128arm-2pa2n8cluster4co").isSuperset(of: ["neon", "dotprod"]))
  }

  private func lines(_ profile: HardwareProfile) -> [String] {
    let processor = profile.processor
    // hwloc names no die where each package is one.
    let dies = processor.dieCount == processor.packageCount ? 0 : processor.dieCount
    let caches = processor.caches.sorted {
      ($0.level, $0.kind.rawValue, $0.size, $0.sharedByProcessingUnits)
        < ($1.level, $1.kind.rawValue, $1.size, $1.sharedByProcessingUnits)
    }
    return [
      "packages \(processor.packageCount)", "dies \(dies)", "cores \(processor.coreCount)",
      "pus \(processor.processingUnitCount)",
    ]
      + caches.map {
        "cache \($0.level) \($0.kind.rawValue) \($0.size.bytes) shared \($0.sharedByProcessingUnits) count \($0.count)"
      }
      + profile.memory.numaNodes.map {
        "numa \($0.index) \($0.capacity.value?.bytes ?? 0) pus \($0.processingUnitCount)"
      }
  }
}
