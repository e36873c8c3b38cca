// SPDX-License-Identifier: Apache-2.0
import Compression
import CostModel
import Hardware
import LanguageModel
import Profiles
import Quantities
import Testing

/// Foreign engines on machines known by their vendors' figures.
@Suite struct FittedSpeedTests {
  /// - Source: XiongjieDai/GPU-Benchmarks-on-LLM-Inference, README (llama.cpp, May 2024), `tg 1024` in tokens per second.
  static let rows: [(machine: String, model: String, variant: String, tokensPerSecond: Double)] = [
    ("GeForce RTX 3070", "Meta-Llama-3-8B", "q4_k_m", 70.94), ("GeForce RTX 4080", "Meta-Llama-3-8B", "f16", 40.29),
    ("GeForce RTX 3090", "Meta-Llama-3-8B", "q4_k_m", 111.74), ("GeForce RTX 4090", "Meta-Llama-3-8B", "f16", 54.34),
    ("RTX A6000", "Meta-Llama-3-70B", "q4_k_m", 14.58), ("RTX 6000 Ada", "Meta-Llama-3-8B", "q4_k_m", 130.99),
    ("L40S", "Meta-Llama-3-70B", "q4_k_m", 15.31), ("A40", "Meta-Llama-3-8B", "f16", 33.95),
  ]

  static func estimate(
    _ model: String, _ variant: String, on machine: String, _ engine: Engine, _ workload: Workload = Workload()
  ) throws -> CostEstimate {
    let profile = try MachineCatalogue(library: .standard()).machine(named: machine).profile
    return Fixture.estimator(try Fixture.model(model), on: profile, engine: engine, workload)
      .estimate(try Fixture.variant(variant))
  }

  @Test func `cards decode as published, within 12 per cent in the median and inside the interval`() throws {
    let workload = Workload(promptTokens: 1, generatedTokens: 1024, contextTokens: 1024)
    var errors: [Double] = []
    for row in Self.rows {
      let decode = try Self.estimate(row.model, row.variant, on: row.machine, .llamaCpp, workload).decode
      errors.append(abs(try #require(decode.value).magnitude / row.tokensPerSecond - 1))
      let (low, high) = (try #require(decode.low).magnitude, try #require(decode.high).magnitude)
      #expect((low...high).contains(row.tokensPerSecond), "\(row.machine) \(row.model) \(row.variant)")
    }
    #expect(median(errors) <= 0.12, "\(errors)")
  }

  /// - Source: Schmitt 2024, tables 2.8 and 2.9: transformers on an A100 with 80 GB, and on a T4 with AWQ kernels.
  @Test(
    arguments: [
      ("Meta-Llama-3-8B", "f16", "A100 80GB PCIe", 27.35), ("Mistral-7B-Instruct-v0.2", "f16", "A100 80GB PCIe", 35.03),
      ("Llama-2-7b-hf", "f16", "A100 80GB PCIe", 31.42), ("Mistral-7B-Instruct-v0.2", "nf4", "T4", 10.22),
      ("Mistral-7B-Instruct-v0.2", "awq4-g128", "T4", 33.34),
    ])
  func `transformers reach what a thesis measured, inside the interval`(
    model: String, variant: String, machine: String, published: Double
  ) throws {
    let decode = try Self.estimate(model, variant, on: machine, .transformers).decode
    let (low, high) = (try #require(decode.low).magnitude, try #require(decode.high).magnitude)
    #expect((low...high).contains(published), "\(low) to \(high)")
  }

  @Test func `more bandwidth or more arithmetic is never slower`() throws {
    let figures = [100.0, 200, 400, 800, 1600, 3200]
    for variant in ["f16", "q8_0", "q4_k_m", "iq2_xxs"] {
      var last = (decode: 0.0, prefill: 0.0)
      for figure in figures {
        let machine = try Fixture.device(
          "kind=gpu,memory=80GB,bandwidth=\(figure)GB/s,fp32=\(figure / 20)TFLOP/s,fp16=\(figure / 5)TFLOP/s")
        let estimate = Fixture.estimator(try Fixture.model("Meta-Llama-3-8B"), on: machine, engine: .llamaCpp)
          .estimate(try Fixture.variant(variant))
        let decode = try #require(estimate.decode.value).magnitude
        let prefill = try #require(estimate.prefill.value).magnitude
        #expect(decode > last.decode && prefill > last.prefill, "\(variant) at \(figure) GB/s")
        last = (decode, prefill)
      }
    }
  }

  @Test func `no step reads the weights faster than the vendor says the memory is`() throws {
    let machine = try Fixture.device(
      "kind=gpu,memory=80GB,bandwidth=1000GB/s,fp32=50TFLOP/s,fp16=100TFLOP/s,vendor=AMD")
    for variant in ["f16", "q4_0", "q6_k"] {
      let estimate = Fixture.estimator(try Fixture.model("Meta-Llama-3-8B"), on: machine, engine: .llamaCpp)
        .estimate(try Fixture.variant(variant))
      let time = try #require(estimate.decodeTime)
      #expect(time.weights >= time.weightTransfer && time.total > time.weights)
    }
  }

  @Test func `an engine without a kernel for a format or a device says so`() throws {
    let card = "kind=gpu,memory=24GB,bandwidth=1008GB/s,fp16=165TFLOP/s,vendor=NVIDIA"
    func obstacle(_ engine: Engine, _ variant: String, on machine: String) throws -> Obstacle? {
      Fixture.estimator(try Fixture.model("TinyLlama-1.1B"), on: try Fixture.device(machine), engine: engine)
        .estimate(try Fixture.variant(variant)).obstacle
    }
    #expect(try obstacle(.llamaCpp, "awq4-g128", on: card) == .format("awq4-g128", engine: .llamaCpp))
    #expect(try obstacle(.vllm, "awq4-g128", on: card) == nil)
    #expect(try obstacle(.vllm, "q4_k_m", on: card) != nil)
    #expect(try obstacle(.mlx, "q4_0", on: card) == .device("devices of NVIDIA", engine: .mlx))
    #expect(
      try obstacle(.tensorRT, "f16", on: "kind=cpu,memory=64GB,bandwidth=80GB/s")
        == .device("processors", engine: .tensorRT))
  }

  @Test func `without any bandwidth the speed is unknown, with the machine's name`() throws {
    let estimate = Fixture.estimator(try Fixture.model("TinyLlama-1.1B"), on: Fixture.host(), engine: .llamaCpp)
      .estimate(try Fixture.variant("q8_0"))
    #expect(
      estimate.decode.reason == "the memory bandwidth of host is not known; 'anprobe probe --calibrate' measures it")
    #expect(estimate.prefill.value == nil)
    #expect(estimate.memory.total.value != nil)
  }
}
