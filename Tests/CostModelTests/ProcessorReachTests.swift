// SPDX-License-Identifier: Apache-2.0
import Compression
import CostModel
import Hardware
import LanguageModel
import Profiles
import Quantities
import Testing

/// What threads can read of a memory of several nodes.
@Suite struct ProcessorReachTests {
  private static func machine(_ text: String) throws -> HardwareProfile {
    try MachineCatalogue(library: .standard()).machine(described: text).profile
  }

  private static func decode(
    _ machine: HardwareProfile, threads: Int, _ variant: String = "f16"
  ) throws -> Known<TokenRate> {
    let platform = Platform(
      machine, engine: .llamaCpp, threads: ThreadWish(threads: threads), efficiencies: Fixture.efficiencies)
    return CostEstimator(
      try Fixture.model("Meta-Llama-3-8B"), on: platform, workload: Workload(), quality: QualityModel([])
    ).estimate(try Fixture.variant(variant)).decode
  }

  @Test func `a thread reads no more than a core does, and all no more than the memory gives`() throws {
    let machine = try Self.machine("EPYC 9654 (per socket)")
    let peak = try #require(machine.memory.peakBandwidth.value).magnitude
    let rates = (1...96).map { ProcessorReach(machine, threads: $0).bandwidth(of: peak) }
    #expect(rates == rates.sorted() && rates[0] < peak / 5 && rates[95] == peak)
    #expect(abs(rates[3] / rates[0] - 4) < 1e-9)
    // Second threads of the cores add nothing.
    #expect(ProcessorReach(machine, threads: 192) == ProcessorReach(machine, threads: 96))
  }

  @Test func `threads that one node holds read what its memory gives`() throws {
    let one = try Self.machine("Xeon Platinum 8480+ (per socket)")
    let two = try Self.machine("2x Xeon Platinum 8480+ (per socket)")
    let peak = try #require(two.memory.peakBandwidth.value).magnitude
    #expect(two.processor.packageCount == 2 && two.memory.numaNodes.count == 2 && two.processor.coreCount == 112)
    #expect(peak == 2 * (try #require(one.memory.peakBandwidth.value)).magnitude)
    for (threads, nodes) in [(1, 1), (56, 1), (57, 2), (112, 2)] {
      let reach = ProcessorReach(two, threads: threads)
      #expect(reach.nodesReached == nodes && reach.nodes == 2, "\(threads)")
      #expect(reach.bandwidth(of: peak) <= peak * Double(nodes) / 2)
    }
    let (half, all) = (try Self.decode(two, threads: 56), try Self.decode(two, threads: 112))
    let single = try #require(try Self.decode(one, threads: 56).value).magnitude
    #expect(abs((try #require(half.value)).magnitude / single - 1) < 1e-9)
    #expect((try #require(all.value)).magnitude > 1.5 * single)
  }

  @Test func `reads of other nodes widen an interval downwards, by their distance`() throws {
    let two = try Self.machine("2x Xeon Platinum 8480+ (per socket)")
    // Half of the pages at 21 instead of 10.
    #expect(abs(ProcessorReach(two, threads: 112).remoteFactor - 1.55) < 1e-12)
    #expect(ProcessorReach(two, threads: 56).remoteFactor == 1)
    func below(_ threads: Int) throws -> Double {
      let decode = try Self.decode(two, threads: threads)
      return (try #require(decode.value)).magnitude / (try #require(decode.low)).magnitude
    }
    let (both, one) = (try below(112), try below(56))
    #expect(both > 1.2 * one && both <= 1.55 * one * (1 + 1e-9))
  }

  @Test func `distances are those that the machine states`() {
    var machine = Fixture.host(cores: 8)
    machine.memory.numaNodes = (0..<4).map { node in
      NUMANode(
        index: node, capacity: .exact(.gibibytes(16), .measured), distances: (0..<4).map { $0 == node ? 10 : 32 },
        processingUnitCount: 2)
    }
    // Memory without processors is no node that threads stand on.
    machine.memory.numaNodes.append(NUMANode(index: 4, capacity: .exact(.gibibytes(16), .measured)))
    let reach = ProcessorReach(machine, threads: 8)
    #expect(reach.nodes == 4 && reach.nodesReached == 4)
    #expect(abs(reach.remoteFactor - (0.25 + 0.75 * 3.2)) < 1e-12)
    #expect(ProcessorReach(machine, threads: 3).nodesReached == 2)
  }

  @Test func `sockets are counted by a number before the name, or by a key`() throws {
    let described = try MachineDescription(inline: "kind=cpu,memory=64GB,bandwidth=160GB/s,cores=32,sockets=2").profile
    #expect(described.processor.packageCount == 2 && described.memory.numaNodes.map(\.processingUnitCount) == [16, 16])
    #expect(described.memory.numaNodes.compactMap(\.capacity.value) == [.gigabytes(32), .gigabytes(32)])
    #expect(try Self.machine("2x Xeon E5-2697A v4").processor.packageCount == 2)
    #expect(throws: MachineDescriptionError.notACount(key: "sockets", value: "0")) {
      try MachineDescription(inline: "kind=cpu,memory=64GB,bandwidth=160GB/s,sockets=0")
    }
  }
}
