// SPDX-License-Identifier: Apache-2.0
import Compression
import CostModel
import Hardware
import LanguageModel
import Profiles
import Quantities
import Testing

/// Devices of different kinds in one machine.
@Suite struct UnequalDevicesTests {
  private static let catalogue = Result { try MachineCatalogue(library: .standard()) }

  private static func estimate(
    _ model: String, _ variant: String, on machine: String, _ engine: Engine = .llamaCpp,
    _ workload: Workload = Workload(), wish: DistributionWish = .none
  ) throws -> CostEstimate {
    let profile = try catalogue.get().machine(described: machine).profile
    let platform = Platform(profile, engine: engine, wish: wish, efficiencies: Fixture.efficiencies)
    return CostEstimator(try Fixture.model(model), on: platform, workload: workload, quality: QualityModel([]))
      .estimate(try Fixture.variant(variant))
  }

  @Test func `a plus between names makes one machine of their devices, each with its own figures`() throws {
    let machines = try Self.catalogue.get()
    let machine = try machines.machine(described: "2x RTX 3090 + RTX 3060 12GB, host-memory=64GB").profile
    let (large, small) = (try machines.machine(named: "RTX 3090"), try machines.machine(named: "RTX 3060 12GB"))
    let kinds = [large, large, small].flatMap(\.profile.accelerators)
    #expect(machine.accelerators == kinds)
    #expect(machine.name == "GeForce RTX 3090 + GeForce RTX 3060 12GB")
    #expect(machine.memory.usable.value == .gigabytes(64))
    #expect(throws: MachineDescriptionError.notBeside(machine: "Ryzen 9 7950X")) {
      try machines.machine(described: "RTX 3090 + Ryzen 9 7950X")
    }
    #expect(throws: ProfileError.self) { try machines.machine(described: "RTX 3090 + no such card") }
  }

  @Test func `layers stand on unequal devices as their memory has room`() throws {
    let estimate = try Self.estimate("Qwen/Qwen2.5-32B", "q6_k", on: "RTX 3060 12GB + RTX 3090")
    let distribution = try #require(estimate.distribution)
    // 64 layers and the head, two thirds of them on the larger, which is the faster one and comes first.
    #expect(distribution.stages == 2 && distribution.stageLayers.map(\.count) == [44, 20])
    #expect(distribution.stageLayers.flatMap { Array($0) } == Array(0..<64))
    #expect(estimate.places.map(\.name) == ["the GeForce RTX 3090", "the GeForce RTX 3060 12GB"])
    #expect(estimate.fits == true)
    #expect(abs(estimate.places[0].load - estimate.places[1].load) < 0.12)
    // Half of it would not go into the smaller one.
    let small = try Self.estimate("Qwen/Qwen2.5-32B", "q6_k", on: "2x RTX 3060 12GB")
    #expect(small.fits == false)
  }

  @Test(arguments: [
    ("RTX 3060 12GB + RTX 3090", "memory of GeForce RTX 3090 and GeForce RTX 3060 12GB"),
    ("2x RTX 3090 + RTX 3060 12GB", "memory of 2 × GeForce RTX 3090 and GeForce RTX 3060 12GB"),
    ("2x RTX 3090", "memory of 2 devices of GeForce RTX 3090"),
    (
      "RTX 3090 + RTX 3060 12GB + RTX 4090",
      "memory of GeForce RTX 4090, GeForce RTX 3090 and GeForce RTX 3060 12GB"
    ),
  ])
  func `memory of several devices is told by their kinds and how many there are`(machine: String, label: String) throws
  {
    #expect(Platform(try Self.catalogue.get().machine(described: machine).profile).capacity.label == label)
  }

  @Test func `what one device holds stays on the faster one`() throws {
    let alone = try Self.estimate("Meta-Llama-3-8B", "q4_k_m", on: "RTX 3090")
    let both = try Self.estimate("Meta-Llama-3-8B", "q4_k_m", on: "RTX 3060 12GB + RTX 3090")
    #expect(both.distribution == alone.distribution && both.decode.value == alone.decode.value)
  }

  @Test(arguments: [Engine.llamaCpp, .transformers])
  func `each device takes its own time for its layers`(engine: Engine) throws {
    let variant = engine == .llamaCpp ? "q8_0" : "bf16"
    let (fast, slow) = engine == .llamaCpp ? ("RTX 3090", "RTX 4000 Ada") : ("RTX A6000", "RTX 4000 Ada")
    let workload = Workload(promptTokens: 1500, contextTokens: 2048)
    func rates(_ machine: String) throws -> (decode: Double, prefill: Double) {
      let estimate = try Self.estimate("Qwen/Qwen2.5-32B", variant, on: machine, engine, workload)
      #expect(try #require(estimate.distribution).stages == 2)
      return (try #require(estimate.decode.value).magnitude, try #require(estimate.prefill.value).magnitude)
    }
    let (quick, mixed, late) = (
      try rates("2x \(fast)"), try rates("\(slow) + \(fast)"), try rates("2x \(slow)")
    )
    #expect(late.decode < mixed.decode && mixed.decode < quick.decode, "\(late) \(mixed) \(quick)")
    #expect(late.prefill < mixed.prefill && mixed.prefill < quick.prefill, "\(late) \(mixed) \(quick)")
  }

  @Test func `of unequal stages micro-batches wait for the slowest, and equal ones follow the usual formula`() throws {
    let model = try Fixture.model("Meta-Llama-3-70B")
    let work = ModelWork(model.architecture, Workload(promptTokens: 4096, contextTokens: 8192))
    let variant = VariantWork(try Fixture.variant("q8_0").summary(of: TensorCensus(model)), work)
    let link = PlaceLink(bandwidth: 25e9, isDirect: false, doubt: 1.5, source: "")
    let group = DeviceGroup(parallel: 1, stages: 3, link: link, sharing: EngineRules.of(.llamaCpp).sharing)
    let prompt = PassWork.prompt(variant, work, by: .llamaCpp)
    #expect(abs(group.paced(prompt, [2, 2, 2]) - 6 * group.fill(prompt)) < 1e-12)
    // Two rounds of four micro-batches: 8 seconds through all stages and three times 5 for the slowest, each an eighth.
    #expect(abs(group.paced(prompt, [1, 5, 2]) - 2 * (8 + 3 * 5) / 8) < 1e-12)
    // A step is one micro-batch: nothing overlaps.
    #expect(group.paced(.step(variant, work, by: .llamaCpp), [1, 5, 2]) == 8)
  }

  @Test func `devices that share matrices go at the slowest's pace and have the smallest's room`() throws {
    func estimate(_ machine: String) throws -> CostEstimate {
      try Self.estimate("Qwen/Qwen2.5-14B", "awq4-g128", on: machine, .vllm, wish: .init(tensorParallel: 2))
    }
    let (mixed, small) = (try estimate("RTX 3090 + RTX 3060 12GB"), try estimate("2x RTX 3060 12GB"))
    #expect(mixed.decode.value == small.decode.value && mixed.prefill.value == small.prefill.value)
    let places = (mixed.places.first, small.places.first)
    #expect(places.0?.needed == places.1?.needed && places.0?.usable.value == places.1?.usable.value)
  }

  @Test func `all devices take their idle power while one works`() throws {
    let variant = "q4_k_m"
    let machines = try Self.catalogue.get()
    let idle = try #require(
      machines.machine(named: "RTX 3060 12GB").profile.accelerators.first?.power.idle.value
    ).watts
    let alone = try Self.estimate("Meta-Llama-3-8B", variant, on: "RTX 3090")
    let both = try Self.estimate("Meta-Llama-3-8B", variant, on: "RTX 3090 + RTX 3060 12GB")
    let (one, two) = (try #require(alone.energyPerToken.value).joules, try #require(both.energyPerToken.value).joules)
    let seconds = try #require(alone.decodeTime).total
    #expect(abs(two - one - idle * seconds) < 1e-6 * one)
  }
}
