// SPDX-License-Identifier: Apache-2.0
import Compression
import CostModel
import Hardware
import LanguageModel
import Profiles
import Quantities
import Testing

/// The quick sums behind thousands of estimates, against the item by item sums that they stand for.
@Suite struct EstimateConsistencyTests {
  /// Dense, grouped, tied, windowed, expert, latent, hybrid.
  static let models = [
    "TinyLlama-1.1B", "Qwen2.5-0.5B", "Meta-Llama-3-8B", "gemma-2-2b", "Mixtral-8x7B-v0.1", "deepseek-ai/DeepSeek-V3",
    "Qwen/Qwen3-Next-80B-A3B-Instruct",
  ]

  @Test(arguments: models, Engine.allCases)
  func `the four sums equal the items, for every variant`(model: String, engine: Engine) throws {
    let estimator = Fixture.estimator(try Fixture.model(model), on: Fixture.host(), engine: engine)
    for variant in CompressionVariant.offered {
      let sums = estimator.estimate(variant).memory
      let items = estimator.footprint(variant)
      #expect(sums.total.value == items.total.value, "\(variant)")
      #expect(sums.weights.value == items[.weights].value, "\(variant)")
      #expect(sums.keyValueCache.value == items[.keyValueCache].value, "\(variant)")
      #expect(sums.total.low == items.total.low && sums.total.high == items.total.high, "\(variant)")
    }
  }

  @Test(arguments: [
    "f16", "q8_0", "q4_k_m", "q4_k", "iq2_xxs", "gptq4-g128-act", "int8", "sparse-0.5", "sparse-0.95", "sparse-1:4",
  ])
  func `the footprint equals the plan of the variant's own list of tensors`(name: String) throws {
    for identifier in ["TinyLlama-1.1B", "Qwen2.5-0.5B", "Meta-Llama-3-8B"] {
      let model = try Fixture.model(identifier)
      let variant = try Fixture.variant(name)
      let workload = Workload(contextTokens: 4096)
      let estimator = Fixture.estimator(model, on: Fixture.host(), engine: .anprobe, threads: 2, workload)
      let plan = RuntimeMemoryPlan(
        architecture: model.architecture, inventory: try variant.applied(to: model).inventory, workload: workload,
        threads: 2)
      let memory = estimator.estimate(variant).memory
      let process = try #require(estimator.footprint(variant).items.first { $0.label == "process" }?.bytes.value)
      #expect(try #require(memory.total.value) - process == plan.total, "\(identifier) \(name)")
    }
  }

  /// Rows that 22 layers with a window of 512 need, and 4 that see all of the context: a KV head of 256 halves each.
  @Test(arguments: [(32_768, 512), (32_768, 128), (1024, 512), (512, 512)])
  func `gemma 3 keeps a window and a pass in most layers`(context: Int, microBatch: Int) throws {
    let model = try Fixture.model("google/gemma-3-1b-it")
    let workload = Workload(contextTokens: context, keyValueFormat: .f16, microBatch: microBatch)
    let cache = Fixture.estimator(model, on: Fixture.host(), engine: .anprobe, workload)
      .estimate(try Fixture.variant("q4_0")).memory.keyValueCache.value
    let rows = 4 * context + 22 * min(context, 511 + microBatch)
    #expect(cache == ByteCount(rows * 2 * 256 * 2))
    // llama.cpp keeps one position more and rounds up to 256.
    let other = LlamaCppMemory(
      architecture: model.architecture, weights: .zero, workload: workload, isOnDevice: false
    ).items.first { $0.label == "KV cache" }?.bytes.value
    let cells = min(context, (512 + microBatch + 255) / 256 * 256)
    #expect(other == ByteCount((4 * context + 22 * cells) * 2 * 256 * 2))
  }

  @Test func `the terms name every item with its formula`() throws {
    let estimator = Fixture.estimator(
      try Fixture.model("TinyLlama-1.1B"), on: Fixture.host(calibration: CalibratedSpeedTests.flat))
    let estimate = estimator.estimate(try Fixture.variant("q8_0"))
    let terms = estimator.terms(of: estimate)
    let memory = terms.filter { $0.phase == "memory" }.compactMap(\.value).reduce(0, +)
    #expect(memory == estimate.memory.total.value?.magnitude)
    let decode = terms.filter { $0.phase == "decode" }.compactMap(\.value).reduce(0, +)
    #expect(abs(1 / decode / (try #require(estimate.decode.value?.magnitude)) - 1) < 1e-9)
    #expect(terms.allSatisfy { !$0.formula.isEmpty && !$0.label.isEmpty })
  }

  @Test(arguments: Engine.allCases)
  func `memory grows with context, sequences and the cache's bits`(engine: Engine) throws {
    let model = try Fixture.model("Meta-Llama-3-8B")
    let variant = try Fixture.variant("q4_k_m")
    func total(_ workload: Workload) throws -> ByteCount {
      let estimate = Fixture.estimator(model, on: Fixture.host(), engine: engine, workload).estimate(variant)
      return try #require(estimate.memory.total.value)
    }
    for context in [512, 1024, 4096, 8192, 32768] {
      #expect(try total(Workload(contextTokens: context)) < total(Workload(contextTokens: context * 2)))
      #expect(
        try total(Workload(contextTokens: context)) < total(Workload(contextTokens: context, sequences: 2)))
      #expect(
        try total(Workload(contextTokens: context, keyValueFormat: .q8_0)) < total(Workload(contextTokens: context)))
    }
  }

  @Test func `a longer context decodes more slowly`() throws {
    let model = try Fixture.model("TinyLlama-1.1B")
    let variant = try Fixture.variant("q8_0")
    let machine = try Fixture.device("kind=gpu,memory=24GB,bandwidth=1008GB/s,fp16=165TFLOP/s")
    var previous = Double.infinity
    for prompt in [1, 512, 1024, 2000] {
      let workload = Workload(promptTokens: prompt, contextTokens: 2048)
      let rate = Fixture.estimator(model, on: machine, workload).estimate(variant).decode.value?.magnitude
      #expect(try #require(rate) < previous)
      previous = rate ?? 0
    }
  }

  @Test func `a windowed layer does not read beyond its window`() throws {
    let model = try Fixture.model("gemma-2-2b")
    let short = ModelWork(model.architecture, Workload(promptTokens: 8000, contextTokens: 8192))
    var full = model.architecture
    for index in full.layers.indices {
      full.layers[index].mixers = full.layers[index].mixers.map { mixer in
        guard case .attention(var attention) = mixer else { return mixer }
        attention.window = nil
        return .attention(attention)
      }
    }
    let long = ModelWork(full, Workload(promptTokens: 8000, contextTokens: 8192))
    #expect(short.cacheBytesRead < long.cacheBytesRead)
    #expect(short.promptAttentionOperations < long.promptAttentionOperations)
  }

  @Test func `twice the bandwidth is never slower and at most twice as fast`() throws {
    let model = try Fixture.model("Meta-Llama-3-8B")
    for variant in CompressionVariant.offered where variant.isGGUF {
      func rate(_ bandwidth: Int) throws -> Double? {
        let machine = try Fixture.device("kind=gpu,memory=80GB,bandwidth=\(bandwidth)GB/s,fp16=165TFLOP/s")
        return Fixture.estimator(model, on: machine).estimate(variant).decode.value?.magnitude
      }
      guard let slow = try rate(500), let fast = try rate(1000) else { continue }
      #expect(fast > slow && fast <= 2 * slow, "\(variant)")
    }
  }

  /// One device of each kind that engines are fitted to, several of them, partly the processor, and processors alone.
  static let machines = [
    "RTX 4090", "2x RTX 3090", "4x A100 80GB SXM", "8x H100 SXM 80GB", "Radeon RX 7900 XTX", "2x Radeon RX 7900 XTX",
    "Arc B580", "Apple M4 Pro with 20 GPU cores", "DGX Spark (GB10)", "Ryzen 9 7950X", "Raspberry Pi 5 / CM5",
    "RTX 4090, host-memory=128GB, host-bandwidth=80GB/s, host-cores=16",
    "kind=gpu,memory=48GB,bandwidth=2000GB/s,fp16=330TFLOP/s,tdp=450W,devices=2",
  ]

  @Test(arguments: Engine.allCases, machines)
  func `every known estimate lies inside its own interval`(engine: Engine, machine: String) throws {
    let profile =
      MachineDescription.looksInline(machine)
      ? try Fixture.device(machine) : try Self.catalogue.get().machine(described: machine).profile
    let variants = try ["original", "q4_k_m", "awq4-g128"].map(Fixture.variant)
    for model in ["Qwen2.5-0.5B", "Mixtral-8x7B-v0.1"] {
      for workload in [
        Workload(promptTokens: 8000, generatedTokens: 200, contextTokens: 8200),
        Workload(promptTokens: 100, generatedTokens: 100, contextTokens: 200, sequences: 32),
      ] {
        let estimator = Fixture.estimator(try Fixture.model(model), on: profile, engine: engine, workload)
        for variant in variants { expectInside(estimator.estimate(variant)) }
      }
    }
  }

  private static let catalogue = Result { try MachineCatalogue(library: .standard()) }

  @Test func `every variant's estimate lies inside its own interval`() throws {
    let machine = try Fixture.device("kind=gpu,memory=24GB,bandwidth=1008GB/s,fp16=165TFLOP/s,tdp=450W")
    let estimator = Fixture.estimator(try Fixture.model("Meta-Llama-3-8B"), on: machine)
    for variant in CompressionVariant.offered { expectInside(estimator.estimate(variant)) }
  }

  private func expectInside(_ estimate: CostEstimate) {
    expectInside(estimate.decode)
    expectInside(estimate.prefill)
    expectInside(estimate.timeToFirstToken)
    expectInside(estimate.energyPerToken)
    expectInside(estimate.energyPerPromptToken)
    expectInside(estimate.memory.total)
    expectInside(estimate.fileBytes)
    expectInside(estimate.quality.loss)
  }

  private func expectInside<Value: Quantity>(_ known: Known<Value>) {
    guard let value = known.value?.magnitude, let low = known.low?.magnitude, let high = known.high?.magnitude else {
      return
    }
    #expect(low <= value && value <= high && value.isFinite)
  }
}
