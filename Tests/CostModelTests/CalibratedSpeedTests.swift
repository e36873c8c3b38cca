// SPDX-License-Identifier: Apache-2.0
import Compression
import CostModel
import Hardware
import LanguageModel
import Quantities
import Testing

/// The built-in runtime's speed from measured rates, against sums done by hand.
@Suite struct CalibratedSpeedTests {
  /// Every product at 10 GB/s or 100 GOP/s, reads at 20 GB/s, no overheads.
  static let flat = calibration(
    BlockFormat.allCases.flatMap { format -> [Calibration.Rate] in
      [rate(.matvec, format.rawValue, 1 << 20, 10e9), rate(.gemm, format.rawValue, 1 << 20, 100e9, batch: 512)]
    } + [rate(.read, "", 0, 20e9)])

  static func rate(
    _ operation: Calibration.Rate.Operation, _ format: String, _ bytes: Int, _ perSecond: Double, batch: Int = 1,
    threads: Int = 2, spread: Double = 0
  ) -> Calibration.Rate {
    Calibration.Rate(
      operation, format: format, threads: threads, batch: batch, operandBytes: bytes, perSecond: perSecond,
      low: perSecond * (1 - spread), high: perSecond * (1 + spread), samples: 5)
  }

  static func calibration(_ rates: [Calibration.Rate], _ overheads: [Calibration.Overhead] = []) -> Calibration {
    Calibration(
      date: "2026-01-02T03:04:05Z", toolVersion: "test", kernelSet: "portable", duration: Seconds(1), rates: rates,
      overheads: overheads, warnings: [])
  }

  @Test func `decode reads every weight but the embedding once, at the measured rate`() throws {
    let model = try Fixture.model("TinyLlama-1.1B")
    let estimate = Fixture.estimator(model, on: Fixture.host(calibration: Self.flat))
      .estimate(try Fixture.variant("f16"))
    // 22 layers of 2048 × (2048 + 256 + 256 + 2048 + 3 × 5632) and a head of 32000 × 2048 in two bytes, 45 norms of 2048
    // in four.
    let layer = 2048 * (2048 + 256 + 256 + 2048 + 3 * 5632)
    let bytes = Double((22 * layer + 32000 * 2048) * 2 + 45 * 2048 * 4)
    #expect(abs(try #require(estimate.decodeTime).weights - bytes / 10e9) < 1e-9)
    // Keys and values of 576 positions: 22 layers × 2 × 256 × 2 bytes, at the read bandwidth.
    #expect(abs(try #require(estimate.decodeTime).attention - Double(576 * 22 * 512 * 2) / 20e9) < 1e-9)
    #expect(estimate.bound == .memory)
    #expect(estimate.decode.basis == .calibrated)
  }

  @Test func `a tied head is read although it is the embedding`() throws {
    let model = try Fixture.model("Qwen2.5-0.5B")
    #expect(model.architecture.hasTiedEmbeddings)
    let estimate = Fixture.estimator(model, on: Fixture.host(calibration: Self.flat))
      .estimate(try Fixture.variant("f16"))
    let all = Double(model.inventory.tensors.reduce(0) { $0 + $1.elements * ($1.isVector ? 4 : 2) })
    #expect(abs(try #require(estimate.decodeTime).weights - all / 10e9) < 1e-6)
  }

  @Test func `prefill multiplies for every token, but asks the head for one`() throws {
    let model = try Fixture.model("TinyLlama-1.1B")
    let estimate = Fixture.estimator(model, on: Fixture.host(calibration: Self.flat))
      .estimate(try Fixture.variant("f16"))
    let layer = 2048 * (2048 + 256 + 256 + 2048 + 3 * 5632)
    let products = 2.0 * 512 * Double(22 * layer + 45 * 2048) / 100e9
    let head = 32000.0 * 2048 * 2 / 10e9
    #expect(abs(try #require(estimate.prefillTime).weights / (products + head) - 1) < 1e-9)
  }

  @Test func `overheads count five jobs a layer of one token, and eleven of a prompt`() throws {
    let calibration = Self.calibration(
      Self.flat.rates, [.init(.barrier, threads: 2, amount: 1e-5, low: 1e-5, high: 1e-5)])
    let estimate = Fixture.estimator(
      try Fixture.model("TinyLlama-1.1B"), on: Fixture.host(calibration: calibration)
    ).estimate(try Fixture.variant("f16"))
    #expect(abs(try #require(estimate.decodeTime).overhead - 22 * 5 * 1e-5) < 1e-12)
    #expect(abs(try #require(estimate.prefillTime).overhead - 22 * 11 * 1e-5) < 1e-12)
  }

  @Test func `adapters kept apart pass each token's values through memory beside their products, and start two jobs`()
    throws
  {
    let calibration = Self.calibration(
      Self.flat.rates + [Self.rate(.elementwise, "", 0, 10e9, batch: 32)],
      [.init(.barrier, threads: 2, amount: 1e-5, low: 1e-5, high: 1e-5)])
    let model = try Fixture.model("TinyLlama-1.1B")
    func estimate(_ name: String) throws -> CostEstimate {
      let variant = try Fixture.variant(name)
      return try Fixture.estimator(model, on: Fixture.host(calibration: calibration)).restructured(for: variant)
        .estimate(variant)
    }
    let (plain, adapted) = (try estimate("f16"), try estimate("f16+lora-8"))
    // Query, key, value, output, gate, up and down of 22 layers.
    let inputs = 22 * (6 * 2048 + 5632)
    let outputs = 22 * (2048 + 256 + 256 + 2048 + 2 * 5632 + 2048)
    // Floats read or written: three times an input, four times what lies between, four times an output.
    let bytes = Double(4 * (3 * inputs + 4 * 22 * 7 * 8 + 4 * outputs))
    let (before, after) = (try #require(plain.prefillTime), try #require(adapted.prefillTime))
    #expect(abs(after.elementwise - before.elementwise - 512 * bytes / 10e9) < 1e-9)
    #expect(abs(after.overhead - before.overhead - 22 * 7 * 2 * 1e-5) < 1e-12)
    // Of one token they lie in the near caches.
    let (step, adaptedStep) = (try #require(plain.decodeTime), try #require(adapted.decodeTime))
    #expect(adaptedStep.elementwise == step.elementwise)
    #expect(abs(adaptedStep.overhead - step.overhead - 22 * 7 * 2 * 1e-5) < 1e-12)
  }

  @Test func `between two sizes the time per byte follows the logarithm of the size, beyond them it is constant`()
    throws
  {
    let book = RateBook(
      Self.calibration([
        Self.rate(.matvec, "q8_0", 1_000_000, 20e9), Self.rate(.matvec, "q8_0", 100_000_000, 10e9),
      ]), threads: 2)
    func rate(_ bytes: Double) throws -> Double { try book.matvec("q8_0", jobBytes: bytes).perSecond }
    #expect(try rate(1) == 20e9)
    #expect(try rate(1e6) == 20e9)
    #expect(try abs(rate(1e8) / 10e9 - 1) < 1e-9)
    #expect(try rate(1e12) == 10e9)
    // Half-way in the logarithm: half of 1/20 and half of 1/10.
    #expect(try abs(rate(1e7) / (1 / (0.5 / 20e9 + 0.5 / 10e9)) - 1) < 1e-9)
    var previous = Double.infinity
    for step in 0...100 {
      let next = try rate(1e5 * Double(step * step + 1))
      #expect(next <= previous)
      previous = next
    }
  }

  @Test func `attention of prompts takes the rate of as many heads to a KV head`() throws {
    let rates = [1, 4, 8].map { Self.rate(.attentionPrefill, "f16", 1 << 20, Double($0) * 1e11, batch: 512 * $0) }
    func seconds(_ rates: [Calibration.Rate], _ model: String) throws -> Double {
      let host = Fixture.host(calibration: Self.calibration(Self.flat.rates + rates))
      let estimate = Fixture.estimator(
        try Fixture.model(model), on: host, Workload(promptTokens: 512, contextTokens: 1024)
      )
      .estimate(try Fixture.variant("f16"))
      return try #require(estimate.prefillTime).attention
    }
    for (model, group) in [("TinyLlama-1.1B", 8), ("Llama-3-8B", 4)] {
      let operations = try seconds([Self.rate(.attentionPrefill, "f16", 1 << 20, 1, batch: 512)], model)
      #expect(try abs(seconds(rates, model) * Double(group) * 1e11 / operations - 1) < 1e-9)
    }
  }

  @Test func `attention over many positions takes the rate of caches as large`() throws {
    let near = Self.rate(.attention, "f16", 512 * 1024, 80e9)
    let far = Self.rate(.attention, "f16", 4096 * 1024, 40e9)
    let book = RateBook(
      Self.calibration([Self.rate(.matvec, "q8_0", 1, 1e9), near, far]), threads: 2)
    #expect(book.attention(.attention, .f16, width: 64, queries: 4) == 80e9)
    #expect(book.attention(.attention, .f16, width: 64, queries: 4, cachedBytes: 1e9) == 40e9)
    let calibration = Self.calibration(Self.flat.rates + [near, far])
    let model = try Fixture.model("TinyLlama-1.1B")
    func attention(_ prompt: Int) throws -> Double {
      let workload = Workload(promptTokens: prompt, generatedTokens: 0, contextTokens: 8192)
      let estimate = Fixture.estimator(model, on: Fixture.host(calibration: calibration), workload)
        .estimate(try Fixture.variant("f16"))
      return try #require(estimate.decodeTime).attention
    }
    // 22 layers of 32 heads of 64, keys and values, a multiply-add each; four KV heads make 1024 elements in two bytes.
    func operations(_ positions: Int) -> Double { Double(22 * 2 * 2 * 32 * 64 * positions) }
    #expect(try abs(attention(512) / (operations(512) / 80e9) - 1) < 1e-9)
    #expect(try abs(attention(4096) / (operations(4096) / 40e9) - 1) < 1e-9)
    #expect(try abs(attention(8192) / (operations(8192) / 40e9) - 1) < 1e-9)
  }

  @Test func `between two counts of heads that share a row the time per row is linear, then that per head`() throws {
    let book = RateBook(
      Self.calibration([
        Self.rate(.matvec, "q8_0", 1, 1e9), Self.rate(.attention, "f16", 1, 10e9, batch: 1),
        Self.rate(.attention, "f16", 1, 40e9, batch: 8),
      ]), threads: 2)
    func rowTime(_ group: Int) throws -> Double {
      Double(group) / (try #require(book.attention(.attention, .f16, width: 64, queries: group)))
    }
    #expect(try abs(rowTime(1) - 1 / 10e9) < 1e-15)
    #expect(try abs(rowTime(4) - (4 * rowTime(1) + 3 * rowTime(8)) / 7) < 1e-15)
    #expect(try abs(rowTime(16) - 2 * rowTime(8)) < 1e-15)
  }

  @Test func `a format that was not measured has no speed, and says so`() throws {
    let book = RateBook(Self.calibration([Self.rate(.matvec, "q8_0", 1, 1e9)]), threads: 2)
    #expect(throws: NoSpeed("no kernel for q4_k was measured here")) {
      try book.matvec("q4_k", jobBytes: 1)
    }
    #expect(throws: NoSpeed.self) { try book.gemm("q8_0", batch: 512, jobBytes: 1) }
  }

  @Test func `between two counts of vectors the time per weight is linear in the count`() throws {
    let book = RateBook(
      Self.calibration([
        Self.rate(.matvec, "q8_0", 1, 1e9, threads: 1), Self.rate(.matvec, "q8_0", 1, 8e9, threads: 8),
        Self.rate(.gemm, "q8_0", 1, 1e11, batch: 16, threads: 8),
        Self.rate(.gemm, "q8_0", 1, 2e11, batch: 512, threads: 8),
      ]), threads: 6)
    #expect(book.threads == 8)
    func seconds(_ batch: Double) throws -> Double {
      try 2 * batch / book.gemm("q8_0", batch: batch, jobBytes: 1).perSecond
    }
    // A weight of q8_0 has 34/32 bytes, of which one vector's product reads 8 · 10⁹ a second.
    let (one, sixteen, all) = (34.0 / 32 / 8e9, 32 / 1e11, 1024 / 2e11)
    for (batch, expected) in [
      (1, one), (8.5, (one + sixteen) / 2), (16, sixteen), (264, (sixteen + all) / 2), (512, all), (1024, 2 * all),
    ] {
      #expect(try abs(seconds(batch) / expected - 1) < 1e-9)
    }
  }

  @Test func `each phase takes the rates of its own number of threads`() throws {
    let model = try Fixture.model("TinyLlama-1.1B")
    let variant = try Fixture.variant("q8_0")
    // Two threads decode as fast as four; four prefill twice as fast, and join more slowly.
    let calibration = Self.calibration(
      BlockFormat.allCases.flatMap { format -> [Calibration.Rate] in
        [
          Self.rate(.matvec, format.rawValue, 1 << 20, 10e9),
          Self.rate(.gemm, format.rawValue, 1 << 20, 50e9, batch: 16),
          Self.rate(.gemm, format.rawValue, 1 << 20, 200e9, batch: 512, threads: 4),
        ]
      } + [
        Self.rate(.read, "", 0, 20e9), Self.rate(.read, "", 0, 21e9, threads: 4),
        Self.rate(.elementwise, "", 0, 1e9, batch: 32), Self.rate(.elementwise, "", 0, 4e9, batch: 32, threads: 4),
      ],
      [2: 1e-6, 4: 3e-6].map { .init(.barrier, threads: $0.key, amount: $0.value, low: $0.value, high: $0.value) })
    func estimate(_ threads: ThreadWish) -> CostEstimate {
      Fixture.estimator(model, on: Fixture.host(cores: 4, calibration: calibration), threads: threads)
        .estimate(variant)
    }
    let apart = estimate(ThreadWish(threads: 2, batch: 4))
    let (decode, prefill) = (try #require(apart.decodeTime), try #require(apart.prefillTime))
    #expect(abs(decode.overhead - 22 * 5 * 1e-6) < 1e-12)
    #expect(abs(prefill.overhead - 22 * 11 * 3e-6) < 1e-12)
    let bytes = try variant.applied(to: model).inventory.tensors.filter { $0.role != .tokenEmbedding }
      .reduce(0.0) { $0 + $1.bytes.magnitude }
    #expect(abs(decode.weights / (bytes / 10e9) - 1) < 1e-6)
    #expect(abs(decode.weightTransfer / (bytes / 20e9) - 1) < 1e-6)
    // The head's one row is multiplied by the threads of decoding.
    let layer = 2048 * (2048 + 256 + 256 + 2048 + 3 * 5632)
    let products = 2.0 * 512 * Double(22 * layer + 45 * 2048) / 200e9
    let head = 32000.0 * 2048 * 34 / 32 / 10e9
    #expect(abs(prefill.weights / (products + head) - 1) < 1e-9)
    // A prompt of a few rows is a pass of a few rows.
    let short = Fixture.estimator(
      model, on: Fixture.host(cores: 4, calibration: calibration), threads: ThreadWish(threads: 2, batch: 4),
      Workload(promptTokens: 32, generatedTokens: 0)
    ).estimate(variant)
    #expect(abs(try #require(short.prefillTime).overhead - 22 * 11 * 1e-6) < 1e-12)
    // Counts that nobody measured take the nearest.
    #expect(try #require(estimate(1).prefillTime).overhead == prefill.overhead)
    #expect(try #require(estimate(8).decodeTime).overhead == decode.overhead)
    #expect(estimate(ThreadWish(threads: 2, batch: 4)).decode.source?.contains("2 threads (4 for prompts)") == true)
  }

  @Test func `several sequences read the weights once and a cache each`() throws {
    let model = try Fixture.model("TinyLlama-1.1B")
    // Products with 512 vectors as fast as the bytes of one allow: more sequences cost no time in weights.
    let free = Self.calibration(
      BlockFormat.allCases.flatMap { format -> [Calibration.Rate] in
        let operations = 2 * 512 * 10e9 * 8 / format.bitsPerWeight
        return [
          Self.rate(.matvec, format.rawValue, 1 << 20, 10e9),
          Self.rate(.gemm, format.rawValue, 1 << 20, operations, batch: 512),
        ]
      } + [Self.rate(.read, "", 0, 20e9)])
    func step(_ sequences: Int) throws -> PhaseTime {
      let estimate = Fixture.estimator(
        model, on: Fixture.host(calibration: free), Workload(sequences: sequences)
      ).estimate(try Fixture.variant("q8_0"))
      return try #require(estimate.decodeTime)
    }
    let (one, eight) = (try step(1), try step(8))
    #expect(abs(eight.weights / one.weights - 1) < 1e-6)
    #expect(abs(eight.attention / one.attention - 8) < 1e-9)
  }

  @Test func `sequences that meet the same experts share their reading`() throws {
    let model = try Fixture.model("Mixtral-8x7B-v0.1")
    func perToken(_ sequences: Int) throws -> Double {
      let estimate = Fixture.estimator(
        model, on: Fixture.host(calibration: Self.flat), Workload(sequences: sequences)
      ).estimate(try Fixture.variant("q8_0"))
      return try #require(estimate.decodeTime).weightTransfer / Double(sequences)
    }
    var previous = Double.infinity
    for sequences in [1, 2, 4, 8, 16] {
      let next = try perToken(sequences)
      #expect(next < previous)
      previous = next
    }
  }

  @Test func `the interval is as wide as the rates scattered, and never narrower than the model's own error`() throws {
    let model = try Fixture.model("TinyLlama-1.1B")
    let variant = try Fixture.variant("q8_0")
    func width(_ spread: Double) throws -> Double {
      let rates = Self.flat.rates.map {
        Self.rate($0.operation, $0.format, $0.operandBytes, $0.perSecond, batch: $0.batch, spread: spread)
      }
      let decode = Fixture.estimator(model, on: Fixture.host(calibration: Self.calibration(rates))).estimate(variant)
        .decode
      return try #require(decode.high?.magnitude) / #require(decode.value?.magnitude) - 1
    }
    #expect(try abs(width(0) - 0.06) < 1e-9)
    #expect(try abs(width(0.3) - 0.3) < 1e-9)
  }

  @Test func `without a calibration the speed is unknown, with the command that helps`() throws {
    let estimate = Fixture.estimator(try Fixture.model("TinyLlama-1.1B"), on: Fixture.host())
      .estimate(try Fixture.variant("q8_0"))
    #expect(
      estimate.decode.reason
        == "the kernels were not measured on this machine; run 'anprobe probe --calibrate'")
    #expect(estimate.bound == nil)
    #expect(estimate.fits == true)
  }
}
