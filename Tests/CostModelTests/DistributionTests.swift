// SPDX-License-Identifier: Apache-2.0
import Compression
import CostModel
import Hardware
import LanguageModel
import Profiles
import Quantities
import Testing

/// Models that do not stand on one device.
@Suite struct DistributionTests {
  private static let machines = Result { try MachineCatalogue(library: .standard()) }

  private static func estimator(
    _ model: String, on machine: String, _ engine: Engine, _ workload: Workload = Workload(),
    wish: DistributionWish = .none
  ) throws -> CostEstimator {
    let profile = try machines.get().machine(described: machine).profile
    let platform = Platform(profile, engine: engine, wish: wish, efficiencies: Fixture.efficiencies)
    try platform.checkWish()
    return CostEstimator(try Fixture.model(model), on: platform, workload: workload, quality: QualityModel([]))
  }

  /// - Source: load logs. Qwen3-235B-A22B on two cards keeps 816 and 782 MiB of its cache, 17 MiB a layer; DeepSeek R1 on
  ///   sixteen keeps 9 MiB on each, 2.25 MiB a layer, but 6.75 on the eighth and 4.5 on the last.
  @Test(arguments: [
    (94, 2, [48, 46]), (61, 16, [4, 4, 4, 4, 4, 4, 4, 3, 4, 4, 4, 4, 4, 4, 4, 2]),
  ])
  func `layers stand on devices as llama.cpp's logs tell`(layers: Int, devices: Int, counts: [Int]) {
    let whole = Distribution.devices(layers: layers, stages: devices)
    #expect(whole.stageLayers.map(\.count) == counts)
    #expect(whole.stageLayers.flatMap { Array($0) } == Array(0..<layers))
  }

  @Test func `of counted layers the head is the last, and the others stand before it`() {
    let head = Distribution.split(layers: 32, counted: 1, stages: 1)
    #expect(head.hasHead && head.deviceLayers == 0 && head.usesProcessor && head.usesDevices)
    #expect(Distribution.split(layers: 32, counted: 0, stages: 2).usesDevices == false)
    #expect(Distribution.split(layers: 32, counted: 33, stages: 1) == .devices(layers: 32))
    let some = Distribution.split(layers: 32, counted: 11, stages: 2)
    #expect(some.stageLayers.map(\.lowerBound).first == 22 && some.deviceLayers == 10)
  }

  /// - Source: Dai's GPU benchmarks (llama.cpp, May 2024) ran these with prompts of up to 8192 tokens.
  @Test(arguments: [
    ("2x GeForce RTX 3090", "q4_k_m"), ("2x GeForce RTX 4090", "q4_k_m"), ("4x RTX 4000 Ada", "q4_k_m"),
    ("6x GeForce RTX 3090", "f16"), ("8x GeForce RTX 4090", "f16"), ("4x RTX A6000", "f16"), ("4x L40S", "f16"),
  ])
  func `what was run on several cards is told to go in`(machine: String, variant: String) throws {
    let estimate = try Self.estimator("Meta-Llama-3-70B", on: machine, .llamaCpp, Workload(contextTokens: 8192))
      .estimate(try Fixture.variant(variant))
    // The margin of 8 % may say no to what just went in.
    for place in estimate.places { #expect(place.load < 1, "\(place)") }
    #expect(try #require(estimate.distribution).stages > 1)
  }

  /// - Source: the same, `tg 1024` in tokens per second.
  @Test(arguments: [
    ("2x GeForce RTX 3090", "Meta-Llama-3-70B", "q4_k_m", 16.29),
    ("2x GeForce RTX 4090", "Meta-Llama-3-70B", "q4_k_m", 19.06),
    ("6x GeForce RTX 3090", "Meta-Llama-3-70B", "f16", 5.82), ("8x GeForce RTX 4090", "Meta-Llama-3-70B", "f16", 6.45),
    ("4x RTX A6000", "Meta-Llama-3-70B", "f16", 4.74), ("4x L40S", "Meta-Llama-3-70B", "f16", 5.03),
  ])
  func `several cards decode as published, inside the interval`(
    machine: String, model: String, variant: String, rate: Double
  ) throws {
    let workload = Workload(promptTokens: 1, generatedTokens: 1024, contextTokens: 1025)
    let decode = try Self.estimator(model, on: machine, .llamaCpp, workload).estimate(try Fixture.variant(variant))
      .decode
    #expect(try #require(decode.low).magnitude <= rate && rate <= #require(decode.high).magnitude, "\(decode)")
    #expect(abs(try #require(decode.value).magnitude / rate - 1) < 0.2, "\(decode)")
  }

  @Test func `several devices are told with the interval of several, as accuracy scores it`() throws {
    let variant = try Fixture.variant("q8_0")
    let group = try #require(Fixture.efficiencies.groups[.devices])
    for (machine, kind) in [("RTX A6000", DeviceKind.gpu), ("2x RTX A6000", .gpus)] {
      let model = kind == .gpu ? "Meta-Llama-3-8B" : "Meta-Llama-3-70B"
      let estimate = try Self.estimator(model, on: machine, .llamaCpp).estimate(variant)
      for (quantity, rate) in [(SpeedObservation.Quantity.decode, estimate.decode), (.prefill, estimate.prefill)] {
        let interval = group.interval("nvidia", kind, quantity)
        let value = try #require(rate.value).magnitude
        #expect(abs(try #require(rate.low).magnitude / value / interval.low - 1) < 1e-9, "\(machine)")
        #expect(abs(try #require(rate.high).magnitude / value / interval.high - 1) < 1e-9, "\(machine)")
      }
    }
  }

  @Test func `the fullest device decides, not the sum`() throws {
    // 80 layers and the head on seven devices: one of them holds twelve.
    func estimate(_ megabytes: Double) throws -> CostEstimate {
      let machine = "kind=gpu,memory=\(Int(7 * megabytes))MB,bandwidth=7000GB/s,devices=7"
      return try Fixture.estimator(
        try Fixture.model("Meta-Llama-3-70B"), on: Fixture.device(machine), engine: .llamaCpp
      ).estimate(try Fixture.variant("q8_0"))
    }
    let place = try #require(try estimate(40_000).places.first)
    #expect(place.count == 7 && place.layers == 12)
    let megabytes = place.needed.magnitude / 1e6 / Capacity.usableShare
    let full = try estimate(megabytes * 0.99)
    #expect(full.verdict == .no && full.bound == .capacity)
    let all = try #require(full.memory.total.value)
    #expect(all.magnitude < 7 * megabytes * 0.99 * 1e6 * Capacity.usableShare)
    #expect(try estimate(megabytes * 1.01).fits == true)
  }

  @Test func `with fewer KV heads than devices several keep the same`() throws {
    // Llama-3-70B has 64 heads and 8 KV heads.
    let architecture = try Fixture.model("Meta-Llama-3-70B").architecture
    func cache(_ devices: Int) throws -> Double {
      let placement = EngineMemory.Placement(isOnDevice: true, devices: devices, deviceMemory: .gibibytes(80))
      let items = ServingMemory(architecture, weights: .gibibytes(130), Workload(), placement).items
      return try #require(items.first { $0.kind == .keyValueCache }?.bytes.value).magnitude
    }
    #expect(try cache(8) == cache(1))
    #expect(try abs(cache(16) / cache(8) - 2) < 1e-9)
  }

  @Test func `serving engines share every matrix between as few devices as hold the model`() throws {
    func devices(_ variant: String, _ machine: String) throws -> Int? {
      try Self.estimator("Meta-Llama-3-70B", on: machine, .vllm).estimate(try Fixture.variant(variant)).distribution?
        .parallel
    }
    #expect(try devices("bf16", "8x A100 80GB SXM") == 2)
    #expect(try devices("bf16", "8x A100 40GB SXM") == 4)
    #expect(try devices("awq4-g128", "8x A100 80GB SXM") == 1)
    // 28 heads do not go into eight parts.
    let small = try Self.estimator("Qwen/Qwen2.5-7B", on: "8x A100 80GB SXM", .vllm, wish: .init(tensorParallel: 8))
    #expect(small.estimate(.original).obstacle == .heads(28, devices: 8, engine: .vllm))
  }

  @Test func `more of the model on the device is faster, and nothing of it is the processor's speed`() throws {
    let machine = "RTX 4090, host-memory=64GB, host-bandwidth=80GB/s, host-cores=16"
    let variant = try Fixture.variant("q4_k_m")
    let rates = try [0, 10, 20, 30, 40, 49].map { count in
      try #require(
        try Self.estimator("Qwen/Qwen2.5-14B", on: machine, .llamaCpp, wish: .init(gpuLayers: .count(count)))
          .estimate(variant).decode.value
      ).magnitude
    }
    #expect(rates == rates.sorted() && rates[5] > 4 * rates[0], "\(rates)")
    let all = try Self.estimator("Qwen/Qwen2.5-14B", on: machine, .llamaCpp).estimate(variant)
    #expect(all.distribution?.isOnDevices == true)
    #expect(abs(try #require(all.decode.value).magnitude / rates[5] - 1) < 1e-9)
  }

  @Test func `what does not fit the device goes to the processor as far as it must`() throws {
    let machine = "RTX 4090, host-memory=128GB, host-bandwidth=80GB/s, host-cores=16"
    let variant = try Fixture.variant("q4_k_m")
    let estimate = try Self.estimator("Meta-Llama-3-70B", on: machine, .llamaCpp).estimate(variant)
    let distribution = try #require(estimate.distribution)
    #expect(estimate.fits == true && (20...60).contains(distribution.deviceLayers), "\(distribution)")
    let more = try Self.estimator(
      "Meta-Llama-3-70B", on: machine, .llamaCpp, wish: .init(gpuLayers: .count(distribution.deviceLayers + 2)))
    #expect(more.estimate(variant).fits == false)
    // Nobody knows the host: nothing is planned for it.
    let alone = try Self.estimator("Meta-Llama-3-70B", on: "RTX 4090", .llamaCpp).estimate(variant)
    #expect(alone.fits == false && alone.distribution?.usesProcessor == false)
  }

  @Test func `of a mixture the experts go to the processor first`() throws {
    let machine = "RTX 4090, host-memory=128GB, host-bandwidth=80GB/s, host-cores=16"
    let estimate = try Self.estimator("gpt-oss-120b", on: machine, .llamaCpp).estimate(
      try Fixture.variant("q4_k_m"))
    let distribution = try #require(estimate.distribution)
    #expect(distribution.deviceLayers == distribution.layers && distribution.expertLayers < distribution.layers)
    #expect(estimate.fits == true)
    let time = try #require(estimate.decodeTime)
    #expect(time.onProcessor > 0 && time.onProcessor < time.total && time.transfer > 0)
  }

  @Test func `exchanges take what their formulas say`() throws {
    let model = try Fixture.model("Meta-Llama-3-70B")
    let work = ModelWork(model.architecture, Workload())
    let variant = VariantWork(try Fixture.variant("bf16").summary(of: TensorCensus(model)), work)
    let step = PassWork.step(variant, work, by: .vllm)
    let link = PlaceLink(bandwidth: 240e9, isDirect: true, doubt: 1.5, source: "")
    let four = DeviceGroup(parallel: 4, stages: 1, link: link, sharing: EngineRules.of(.vllm).sharing)
    // 160 joint sums of 8192 states of 16 bits: 5 µs, six steps of 1.9 µs and 3/2 of 16,384 bytes each.
    let sums = 160 * (5e-6 + 6 * 1.9e-6 + 1.5 * 16_384 / 240e9)
    #expect(abs(four.transfer(step) / sums - 1) < 1e-9)
    let turns = DeviceGroup(parallel: 1, stages: 3, link: link, sharing: EngineRules.of(.llamaCpp).sharing)
    let hops = 2 * (0.2e-3 + 8192 * 4 / 240e9)
    #expect(abs(turns.transfer(PassWork.step(variant, work, by: .llamaCpp)) / hops - 1) < 1e-9)
    // Eight micro-batches in two rounds of four through three stages: 2·(4 + 3 − 1) of 24 steps.
    let long = ModelWork(model.architecture, Workload(promptTokens: 4096, contextTokens: 8192))
    #expect(abs(turns.fill(PassWork.prompt(variant, long, by: .llamaCpp)) - 0.5) < 1e-12)
    #expect(turns.fill(PassWork.step(variant, work, by: .llamaCpp)) == 1)
  }

  @Test func `sharing matrices divides bytes and operations, and layers are launched on every device`() throws {
    let model = try Fixture.model("Meta-Llama-3-70B")
    let work = ModelWork(model.architecture, Workload())
    let variant = VariantWork(try Fixture.variant("bf16").summary(of: TensorCensus(model)), work)
    let step = PassWork.step(variant, work, by: .vllm)
    let efficiency = try #require(Fixture.efficiencies.groups[.servers]).classes["vllm"]
    let rates = try DeviceRates(
      try #require(try Self.machines.get().machine(named: "H100 SXM 80GB").profile.accelerators.first))
    let link = PlaceLink(bandwidth: 360e9, isDirect: true, doubt: 1.5, source: "")
    let group = DeviceGroup(parallel: 4, stages: 1, link: link, sharing: EngineRules.of(.vllm).sharing)
    let (one, four) = (efficiency.terms(step, on: rates), efficiency.terms(step, on: rates, sharedBy: group))
    #expect(abs(one.memory / four.memory - 4) < 1e-9 && abs(one.attention / four.attention - 4) < 1e-9)
    #expect(one.launches == four.launches && four.transfer > 0 && four.total < one.total)
  }

  @Test func `devices that wait take their idle power`() throws {
    let variant = try Fixture.variant("q4_k_m")
    func joules(_ machine: String) throws -> Double {
      let estimate = try Self.estimator("Meta-Llama-3-8B", on: machine, .llamaCpp).estimate(variant)
      return try #require(estimate.energyPerToken.value).joules
    }
    let idle = try #require(
      try Self.machines.get().machine(named: "GeForce RTX 3090").profile.accelerators.first?.power.idle.value)
    let step = try #require(
      try Self.estimator("Meta-Llama-3-8B", on: "GeForce RTX 3090", .llamaCpp).estimate(variant).decodeTime)
    let (one, two) = (try joules("GeForce RTX 3090"), try joules("2x GeForce RTX 3090"))
    #expect(abs(two - one - idle.watts * step.total) < 1e-6 * one, "\(one) \(two)")
  }

  @Test func `an unknown link is assumed, told, and widens the interval`() throws {
    let known = PlaceLink.toHost(DeviceLinks(host: .exact(Bandwidth(magnitude: 31.5e9), .published)))
    let unknown = PlaceLink.between(DeviceLinks())
    #expect(unknown.bandwidth == known.bandwidth && unknown.doubt > known.doubt && !unknown.isDirect)
    #expect(unknown.source.contains("assumed"))
  }

  @Test func `what an engine cannot do is refused by name`() throws {
    func refusal(_ machine: String, _ engine: Engine, _ wish: DistributionWish) -> DistributionError? {
      do { _ = try Self.estimator("Meta-Llama-3-8B", on: machine, engine, wish: wish) } catch {
        return error as? DistributionError
      }
      return nil
    }
    #expect(
      refusal("RTX 4090", .vllm, .init(gpuLayers: .count(3))) == .notByEngine(option: "--gpu-layers", .vllm))
    #expect(
      refusal("RTX 4090", .llamaCpp, .init(tensorParallel: 2)) == .notByEngine(option: "--tensor-parallel", .llamaCpp))
    #expect(
      refusal("2x A100 80GB SXM", .vllm, .init(tensorParallel: 4))
        == .tooFewDevices(wanted: 4, there: 2, machine: "A100 80GB SXM"))
    #expect(refusal("2x A100 80GB SXM", .vllm, .init(tensorParallel: 2)) == nil)
  }

  @Test(arguments: [Engine.llamaCpp, .vllm, .transformers])
  func `terms of foreign engines add up and tell nothing that was not measured`(engine: Engine) throws {
    let estimator = try Self.estimator("Meta-Llama-3-70B", on: "4x A100 80GB SXM", engine)
    let estimate = estimator.estimate(engine == .llamaCpp ? try Fixture.variant("q8_0") : .original)
    let terms = estimator.terms(of: estimate)
    for (phase, time) in [("decode", estimate.decodeTime), ("prefill", estimate.prefillTime)] {
      let own = terms.filter { $0.phase == phase }
      #expect(abs(own.compactMap(\.value).reduce(0, +) / (try #require(time).total) - 1) < 1e-9)
      #expect(own.allSatisfy { ($0.value ?? 0) > 0 && !$0.formula.contains("measured") }, "\(own.map(\.formula))")
      #expect(own.contains { $0.label == "exchange between places" } == (estimate.distribution?.devices ?? 1 > 1))
    }
    #expect(terms.contains { $0.phase == "place" && ($0.value ?? 0) > 0 })
  }
}
