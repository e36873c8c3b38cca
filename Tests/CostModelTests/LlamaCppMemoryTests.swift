// SPDX-License-Identifier: Apache-2.0
import Compression
import CostModel
import LanguageModel
import Quantities
import Testing

/// What llama.cpp's load logs print, held against the estimate.
@Suite struct LlamaCppMemoryTests {
  struct Cache: Sendable {
    var model: String
    var context: Int
    var sequences = 1
    var format = KeyValueFormat.f16
    var mebibytes: Double
    var source: String
  }

  static let caches: [Cache] = [
    .init(model: "TinyLlama-1.1B", context: 4096, mebibytes: 88, source: "log of TinyLlama's shapes"),
    .init(model: "TinyLlama-1.1B", context: 4096, format: .q8_0, mebibytes: 46.75, source: "log of TinyLlama's shapes"),
    .init(model: "Llama-3.1-8B", context: 16384, mebibytes: 2048, source: "ik_llama.cpp discussion 562"),
    .init(model: "Llama-3.1-8B", context: 2048, sequences: 4, mebibytes: 1024, source: "log, 4 slots of 8192 cells"),
    .init(model: "Qwen3-32B", context: 8192, mebibytes: 2048, source: "ik_llama.cpp discussion 397"),
    .init(model: "Qwen3-32B", context: 16896, format: .q8_0, mebibytes: 2244, source: "ik_llama.cpp issue 503"),
    .init(model: "Qwen3-30B-A3B", context: 4096, mebibytes: 384, source: "ik_llama.cpp issue 380"),
    .init(model: "Qwen3-235B-A22B", context: 32768, format: .q8_0, mebibytes: 3196, source: "ik_llama.cpp PR 370"),
    .init(model: "deepseek-ai/DeepSeek-V3", context: 32768, mebibytes: 2196, source: "ik_llama.cpp discussion 258"),
    .init(
      model: "deepseek-ai/DeepSeek-V3", context: 32768, format: .q8_0, mebibytes: 1166.62,
      source: "ik_llama.cpp issue 455"),
  ]

  @Test(arguments: caches)
  func `caches have the logged size`(cache: Cache) throws {
    let workload = Workload(
      contextTokens: cache.context, sequences: cache.sequences, keyValueFormat: cache.format)
    let memory = try Self.items(cache.model, workload).filter { $0.kind == .keyValueCache }
    let bytes = memory.compactMap(\.bytes.value?.magnitude).reduce(0, +)
    // Logs print two decimals.
    #expect(abs(bytes / 1_048_576 - cache.mebibytes) < 0.006, "\(cache.model): \(cache.source)")
  }

  @Test func `a hybrid's recurrent state has the logged size`() throws {
    // Qwen3-Next-80B-A3B, one sequence: 75.38 MiB.
    let items = try Self.items("Qwen/Qwen3-Next-80B-A3B-Instruct", Workload(contextTokens: 256))
    let states = try #require(items.first { $0.label == "recurrent states" }?.bytes.value)
    #expect(abs(states.magnitude / 1_048_576 - 75.38) < 0.006)
  }

  struct Buffer: Sendable {
    var model: String
    var context: Int
    var microBatch = 512
    var hasFlashAttention = true
    var mebibytes: Double
  }

  @Test(arguments: [
    // With flash attention and the mask still held: TinyLlama's shapes.
    Buffer(model: "TinyLlama-1.1B", context: 4096, mebibytes: 70.50),
    // Without the mask: ik_llama.cpp issue 380 and discussion 357, Gemma 2 on a processor.
    Buffer(model: "Qwen3-30B-A3B", context: 4096, mebibytes: 300.75),
    Buffer(model: "Qwen3-235B-A22B", context: 16384, mebibytes: 304.75),
    Buffer(model: "gemma-2-2b", context: 8192, mebibytes: 509.0),
    Buffer(model: "Qwen3-32B", context: 8192, microBatch: 1024, mebibytes: 633.5),
    // Without flash attention: logits, then scores of all heads.
    Buffer(model: "TinyLlama-1.1B", context: 512, hasFlashAttention: false, mebibytes: 66.50),
    Buffer(model: "Meta-Llama-3-8B", context: 512, hasFlashAttention: false, mebibytes: 258.50),
    Buffer(model: "TinyLlama-1.1B", context: 4096, hasFlashAttention: false, mebibytes: 280.01),
    Buffer(model: "TinyLlama-1.1B", context: 4096, microBatch: 128, hasFlashAttention: false, mebibytes: 70.0),
    Buffer(model: "Llama-3.1-8B", context: 4096, hasFlashAttention: false, mebibytes: 296.01),
    Buffer(model: "Llama-3.1-8B", context: 8192, hasFlashAttention: false, mebibytes: 560.0),
  ])
  func `compute buffers have the logged size`(buffer: Buffer) throws {
    let workload = Workload(
      contextTokens: buffer.context, microBatch: buffer.microBatch, hasFlashAttention: buffer.hasFlashAttention)
    let items = try Self.items(buffer.model, workload)
    let bytes = try #require(items.first { $0.label == "compute buffer" }?.bytes)
    let logged = ByteCount.mebibytes(buffer.mebibytes)
    #expect(try #require(bytes.low) <= logged && logged <= #require(bytes.high), "\(bytes)")
  }

  @Test func `output buffers have the logged size`() throws {
    // Llama-3.1-8B: 0.49 MiB for one sequence; Qwen3-32B: 0.58 MiB.
    for (model, mebibytes) in [("Llama-3.1-8B", 0.49), ("Qwen3-32B", 0.58)] {
      let items = try Self.items(model, Workload())
      let bytes = try #require(items.first { $0.label == "output buffer" }?.bytes.value)
      #expect(abs(bytes.magnitude / 1_048_576 - mebibytes) < 0.006)
    }
  }

  @Test func `a context is padded to 256 cells`() throws {
    let exact = try Self.items("TinyLlama-1.1B", Workload(contextTokens: 256))
    let padded = try Self.items("TinyLlama-1.1B", Workload(contextTokens: 1))
    #expect(exact.first { $0.label == "KV cache" } == padded.first { $0.label == "KV cache" })
  }

  private static func items(_ model: String, _ workload: Workload) throws -> [MemoryFootprint.Item] {
    LlamaCppMemory(
      architecture: try Fixture.model(model).architecture, weights: .zero, workload: workload, isOnDevice: false
    ).items
  }
}
