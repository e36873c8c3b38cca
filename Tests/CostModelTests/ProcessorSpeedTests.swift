// SPDX-License-Identifier: Apache-2.0
import Compression
import CostModel
import Hardware
import LanguageModel
import Quantities
import Testing

/// llama.cpp on a processor, from rates in cache and the read bandwidth.
@Suite struct ProcessorSpeedTests {
  /// Bytes of weights per second that one thread streamed from memory, beside a read bandwidth of 12.5 GB/s.
  ///
  /// - Source: llama.cpp of February 2025 on one core of a Sapphire Rapids, the series whose in-cache rates the table
  ///   of formats holds.
  static let streamed: [(format: BlockFormat, gigabytesPerSecond: Double)] = [
    (.f32, 12.5), (.f16, 10.4), (.bf16, 11.2), (.q8_0, 9.3), (.q4_0, 7.5), (.q4_1, 7.4), (.q5_0, 7.0), (.q5_1, 7.1),
    (.q2_k, 7.2), (.q3_k, 6.7), (.q4_k, 8.8), (.q5_k, 8.6), (.q6_k, 9.8), (.iq4_xs, 7.7), (.iq4_nl, 7.2),
    (.iq3_s, 2.8), (.iq3_xxs, 3.4), (.iq2_xxs, 2.9), (.tq2_0, 7.7),
  ]

  @Test func `streamed rates follow from bandwidth and rates in cache, within 5 per cent in the median`() throws {
    let model = try Fixture.model("TinyLlama-1.1B")
    let shared = ModelWork(model.architecture, Workload())
    var errors: [Double] = []
    for row in Self.streamed {
      let summary = CompressionVariant([.uniform(row.format)]).summary(of: TensorCensus(model))
      let work = VariantWork(summary, shared)
      let speed = try ProcessorSpeed(Fixture.host(cores: 1), threads: 1, measured: .gigabytesPerSecond(12.5))
      let time = try speed.decodeStep(work, shared)
      let bytes = work.parts.filter { $0.format == .block(row.format) }.reduce(0) { $0 + $1.bytes }
      let all = work.parts.reduce(0) { $0 + $1.bytes }
      // Norms stay in 32 bits: less than two thousandths of the bytes.
      #expect(bytes / all > 0.998)
      errors.append(abs(all / time.weights / 1e9 / row.gigabytesPerSecond - 1))
    }
    #expect(median(errors) <= 0.05, "\(errors)")
    #expect(errors.max() ?? 1 <= 0.2, "\(errors)")
  }

  @Test func `a smaller file in a slow format is not faster`() throws {
    // TinyLlama on one thread: IQ2_XXS read 300 MB a token and took longer than Q4_K_M with 630 MB.
    let machine = try Fixture.device("kind=cpu,memory=64GB,bandwidth=16GB/s,cores=1")
    let estimator = Fixture.estimator(try Fixture.model("TinyLlama-1.1B"), on: machine, engine: .llamaCpp)
    let small = estimator.estimate(try Fixture.variant("iq2_xxs"))
    let large = estimator.estimate(try Fixture.variant("q4_k_m"))
    #expect(try #require(small.memory.weights.value) < #require(large.memory.weights.value))
    #expect(try #require(small.decode.value) < #require(large.decode.value))
  }

  @Test func `without any bandwidth the speed is unknown, with the machine's name`() throws {
    let estimator = Fixture.estimator(
      try Fixture.model("TinyLlama-1.1B"), on: Fixture.host(), engine: .llamaCpp)
    let estimate = estimator.estimate(try Fixture.variant("q8_0"))
    #expect(
      estimate.decode.reason
        == "the memory bandwidth of host is not known; 'anprobe probe --calibrate' measures it")
    #expect(estimate.prefill.value == nil)
    #expect(estimate.energyPerToken.value == nil)
    #expect(estimate.memory.total.value != nil)
  }

  @Test func `formats of other engines have no speed here`() throws {
    let machine = try Fixture.device("kind=gpu,memory=24GB,bandwidth=1008GB/s,fp16=165TFLOP/s")
    let estimate = Fixture.estimator(try Fixture.model("TinyLlama-1.1B"), on: machine)
      .estimate(try Fixture.variant("awq4-g128"))
    #expect(estimate.decode.value == nil)
    #expect(estimate.obstacle != nil)
    #expect(estimate.decode.reason == estimate.obstacle?.sentence)
  }
}
