// SPDX-License-Identifier: Apache-2.0
import JSONText
import LanguageModel
import Profiles
import Testing

/// Counts and cache sizes that others have published or measured, for models of every kind.
@Suite struct PublishedCountTests {
  private static func describe(_ identifier: String) throws -> LanguageModelDescription {
    let catalogue = try ModelCatalogue.builtIn()
    let entry = try #require(catalogue.entries.first { $0.identifier == identifier || $0.aliases.contains(identifier) })
    return try catalogue.describe(entry)
  }

  // Source: tensor totals that Hugging Face shows for the repositories.
  @Test(arguments: [
    ("meta-llama/Llama-3.1-8B", 8_030_261_248), ("meta-llama/Llama-3.1-70B", 70_553_706_496),
    ("meta-llama/Llama-3.2-1B", 1_235_814_400), ("meta-llama/Llama-3.2-3B", 3_212_749_824),
    ("meta-llama/Llama-2-7b-hf", 6_738_415_616), ("mistralai/Mistral-7B-v0.1", 7_241_732_096),
    ("TinyLlama/TinyLlama-1.1B-Chat-v1.0", 1_100_048_384), ("Qwen/Qwen2.5-0.5B", 494_032_768),
    ("Qwen/Qwen2.5-7B", 7_615_616_512), ("Qwen/Qwen3-0.6B", 596_049_920), ("Qwen/Qwen3-8B", 8_190_735_360),
    ("google/gemma-2-2b", 2_614_341_888), ("google/gemma-2-9b", 9_241_705_984),
    ("google/gemma-3-1b-it", 999_885_952), ("HuggingFaceTB/SmolLM2-135M", 134_515_008),
    ("mistralai/Mixtral-8x7B-v0.1", 46_702_792_704), ("Qwen/Qwen3-30B-A3B", 30_532_122_624),
    ("openai/gpt-oss-20b", 20_914_757_184), ("openai/gpt-oss-120b", 116_829_156_672),
    ("deepseek-ai/DeepSeek-V2-Lite", 15_706_484_224), ("state-spaces/mamba2-2.7b", 2_702_599_680),
  ])
  func `the parameter count is the published one`(identifier: String, count: Int) throws {
    #expect(try Self.describe(identifier).parametersTotal == count)
  }

  // Source: "loaded meta data with N key-value pairs and M tensors" in llama.cpp's load logs of these models' files.
  @Test(arguments: [
    ("meta-llama/Meta-Llama-3-8B", 291), ("meta-llama/Llama-3.1-8B", 292), ("meta-llama/Llama-2-13b-hf", 363),
    ("meta-llama/Llama-2-70b-hf", 723), ("TinyLlama/TinyLlama-1.1B-Chat-v1.0", 201),
    ("mistralai/Mixtral-8x7B-v0.1", 323), ("google/gemma-2-2b-it", 288), ("google/gemma-3-1b-it", 340),
    ("microsoft/Phi-3-mini-4k-instruct", 195), ("Qwen/Qwen2.5-7B-Instruct", 339),
  ])
  func `the list has as many tensors as the model's GGUF file`(identifier: String, count: Int) throws {
    #expect(try Self.describe(identifier).inventory.tensors.count == count)
  }

  // Source: the rope_freqs tensor of Llama 3.1 files: ones, a blend, then eights.
  @Test func `Llama 3.1 divides its slow frequencies by eight`() throws {
    let forward = try Self.describe("meta-llama/Llama-3.1-8B").architecture.forward
    guard case .llama3(let scaling) = forward.rope.scaling else {
      Issue.record("no scaling of Llama 3's kind")
      return
    }
    let divisors = scaling.divisors(width: 128, base: forward.rope.base)
    #expect(divisors.count == 64)
    #expect(divisors.prefix(29).allSatisfy { $0 == 1 })
    #expect(divisors.suffix(29).allSatisfy { $0 == 8 })
    #expect(zip(divisors, divisors.dropFirst()).allSatisfy { $0 <= $1 })
    #expect(divisors.contains { $0 > 1 && $0 < 8 })
  }

  // Source: 22 layers of 4 key-value heads of 64; llama.cpp prints "KV self size = 88.00 MiB" for 4096 cells of f16.
  @Test func `TinyLlama caches 88 MiB for 4096 tokens in 16 bits`() throws {
    let elements = try Self.describe("TinyLlama/TinyLlama-1.1B-Chat-v1.0").architecture.cacheElements(tokens: 4096)
    #expect(elements * 2 == 88 * 1_048_576)
    #expect(Double(elements) * 34 / 32 == 46.75 * 1_048_576)
  }

  // Source: the grouped-query figures of the Llama 3 report (8 key-value heads of 128 in 32 layers): 128 KiB per token.
  @Test func `Llama 3.1 8B caches 128 KiB per token in 16 bits`() throws {
    let architecture = try Self.describe("meta-llama/Llama-3.1-8B").architecture
    #expect(architecture.cacheElements(tokens: 1) * 2 == 128 * 1024)
    #expect(architecture.cacheElements(tokens: 8192) * 2 == 1 << 30)
  }

  // Source: DeepSeek-V2 (arXiv 2405.04434) section 2.1: (d_c + d_h^R) elements per token and layer, 512 + 64.
  @Test func `latent attention caches 576 elements per token and layer`() throws {
    #expect(try Self.describe("deepseek-ai/DeepSeek-V2-Lite").architecture.cacheElements(tokens: 1) == 576 * 27)
    #expect(try Self.describe("deepseek-ai/DeepSeek-V3").architecture.cacheElements(tokens: 1) == 576 * 61)
  }

  // Source: Gemma 3 report (arXiv 2503.19786): five local layers for each global one, starting with a local layer.
  @Test func `Gemma 3 1B keeps 512 tokens in five of six layers`() throws {
    let windows = try Self.describe("google/gemma-3-1b-it").architecture.layers.map { $0.mixers[0].cache?.window }
    #expect(windows.count == 26)
    #expect(windows.prefix(6) == [512, 512, 512, 512, 512, nil])
    #expect(windows.filter { $0 == nil }.count == 4)
  }

  // Source: gpt-oss model card: every other layer attends to a window of 128 tokens.
  @Test func `gpt-oss alternates windows of 128 tokens with full layers`() throws {
    let windows = try Self.describe("openai/gpt-oss-20b").architecture.layers.map { $0.mixers[0].cache?.window }
    #expect(windows.prefix(4) == [128, nil, 128, nil])
  }

  // Source: Mistral 7B (arXiv 2310.06825), table 1: window size 4096 in every layer.
  @Test func `Mistral 7B's first release slides over 4096 tokens in every layer`() throws {
    let layers = try Self.describe("mistralai/Mistral-7B-v0.1").architecture.layers
    #expect(layers.allSatisfy { $0.mixers[0].cache?.window == 4096 })
  }

  // Source: the published configuration switches the window off.
  @Test func `Qwen 2.5 has no window`() throws {
    let layers = try Self.describe("Qwen/Qwen2.5-7B").architecture.layers
    #expect(layers.allSatisfy { $0.mixers[0].cache?.window == nil })
  }

  // Source: 32 value heads of 128 × 128 in 32 bits are 2 MiB; a window of 3 × 8192 channels is 96 KiB.
  @Test func `Qwen3-Next remembers 2 MiB and 96 KiB in each linear layer`() throws {
    let architecture = try Self.describe("Qwen/Qwen3-Next-80B-A3B-Instruct").architecture
    let states = architecture.layers.compactMap { layer -> RecurrentState? in
      if case .recurrent(let state) = layer.mixers[0] { state } else { nil }
    }
    #expect(states.count == 36)
    #expect(states.allSatisfy { $0.stateElements * 4 == 2 << 20 && $0.convolutionElements * 4 == 96 << 10 })
    #expect(architecture.cacheElements(tokens: 1) == 12 * 2 * 2 * 256)
  }

  // Source: Mamba (arXiv 2312.00752): the state is N = 16 per channel of the doubled width, the convolution four wide.
  @Test func `Mamba has a state and no cache`() throws {
    let architecture = try Self.describe("state-spaces/mamba-130m-hf").architecture
    #expect(architecture.cacheElements(tokens: 4096) == 0)
    #expect(architecture.stateElements == 24 * (16 * 1536 + 3 * 1536))
  }

  // Source: Gemma 3n's configuration: the last 15 of 35 layers read the cache of earlier ones.
  @Test func `Gemma 3n keeps caches in 20 of 35 layers`() throws {
    let layers = try Self.describe("google/gemma-3n-E4B-it").architecture.layers
    #expect(layers.filter { $0.mixers[0].cache != nil }.count == 20)
    #expect(layers.prefix(20).allSatisfy { $0.mixers[0].cache != nil })
  }

  // Source: Falcon 7B's model card: multi-query attention, 71 heads of 64 share one key and value.
  @Test func `Falcon 7B shares one key and value head`() throws {
    #expect(try Self.describe("tiiuae/falcon-7b").architecture.cacheElements(tokens: 1) == 32 * 2 * 64)
  }

  // Source: Jamba (arXiv 2403.19887): one attention layer in eight.
  @Test func `Jamba attends in four of 32 layers`() throws {
    let layers = try Self.describe("ai21labs/Jamba-v0.1").architecture.layers
    #expect(layers.filter { $0.mixers[0].cache != nil }.count == 4)
    #expect(layers.filter { ($0.feedForward?.experts ?? 0) == 16 }.count == 16)
  }

  // Source: DeepSeek-V3 report (arXiv 2412.19437): 671 B in total, 37 B active.
  @Test func `DeepSeek V3 visits 37 of 671 billion parameters`() throws {
    let description = try Self.describe("deepseek-ai/DeepSeek-V3")
    #expect(description.parametersTotal / 1_000_000_000 == 671)
    #expect(description.parametersActive / 1_000_000_000 == 37)
  }
}
