// SPDX-License-Identifier: Apache-2.0
import Compression
import CostModel
import Hardware
import LanguageModel
import Profiles
import Quantities
import Testing

/// Processors whose cores nobody states.
@Suite struct AssumedCoresTests {
  private static let described = "kind=cpu,memory=64GB,bandwidth=90GB/s"
  private static let withHost = "RTX 3090, host-memory=128GB, host-bandwidth=90GB/s"

  private static func estimator(_ machine: String) throws -> CostEstimator {
    let profile =
      try machine.hasPrefix("kind=")
      ? MachineDescription(inline: machine).profile
      : MachineCatalogue(library: .standard()).machine(described: machine).profile
    return CostEstimator(
      try Fixture.model("Meta-Llama-3-70B"),
      on: Platform(profile, engine: .llamaCpp, efficiencies: Fixture.efficiencies), workload: Workload(),
      quality: QualityModel([]))
  }

  private static func estimate(_ machine: String) throws -> CostEstimate {
    try estimator(machine).estimate(try Fixture.variant("q4_k_m"))
  }

  @Test func `the usual bandwidth for each core is the catalogue's, and nine in ten lie in the range`() throws {
    let machines = try MachineCatalogue(library: .standard()).machines.filter { $0.computes == .cpu }
    let each = machines.compactMap { machine in
      machine.cores.flatMap { cores in machine.bandwidth.map { $0.magnitude / Double(cores) } }
    }
    #expect(each.count > 50)
    #expect(abs(AccuracyRow.quantile(each, 0.5) / AssumedCores.bandwidth.magnitude - 1) < 0.1)
    let inside = each.count { AssumedCores.range.contains(AssumedCores.bandwidth.magnitude / $0) }
    #expect(Double(inside) >= 0.9 * Double(each.count))
  }

  @Test func `cores that nobody states are told as assumed, never as one`() throws {
    let processor = try MachineDescription(inline: Self.described).profile.processor
    #expect(processor.coreCount == 16 && processor.coreAssumption?.contains("bandwidth") == true)
    let stated = try MachineDescription(inline: Self.described + ",cores=1").profile.processor
    #expect(stated.coreCount == 1 && stated.coreAssumption == nil)
    let rated = try MachineDescription(inline: Self.described + ",fp32=1024GFLOP/s").profile.processor
    #expect(rated.coreCount == 8 && rated.coreAssumption?.contains("32-bit") == true)
    #expect(Platform(try MachineDescription(inline: Self.described).profile).energy.source.contains("one for each"))
  }

  @Test(arguments: [(described, "cores"), (withHost, "host-cores")])
  func `a speed with assumed cores is that of as many stated ones, and less sure`(machine: String, key: String) throws {
    let (assumed, stated) = (try Self.estimate(machine), try Self.estimate("\(machine),\(key)=16"))
    let pairs = [(assumed.decode, stated.decode), (assumed.prefill, stated.prefill)]
    for (assumed, stated) in pairs {
      #expect(assumed.value == stated.value)
      #expect(try #require(assumed.low) < #require(stated.low))
      #expect(try #require(assumed.high) >= #require(stated.high))
      #expect(assumed.source?.contains("16 cores assumed") == true && stated.source?.contains("assumed") != true)
    }
    // What the fewest and the most of the range would do lies inside.
    for cores in [6, 28] {
      let decode = try #require(try Self.estimate("\(machine),\(key)=\(cores)").decode.value)
      #expect(try #require(assumed.decode.low) <= decode && decode <= #require(assumed.decode.high), "\(cores)")
    }
  }

  @Test func `a host without any bandwidth has no speed rather than that of one core`() throws {
    let estimate = try Self.estimate("RTX 3090, host-memory=128GB")
    #expect(estimate.decode.value == nil && estimate.decode.reason?.contains("bandwidth") == true)
  }

  @Test func `an assumption is kept with the profile`() throws {
    let profile = try MachineDescription(inline: Self.described).profile
    let kept = try HardwareProfile(json: profile.json, file: "kept")
    #expect(kept.processor == profile.processor)
  }
}
