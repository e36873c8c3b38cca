// SPDX-License-Identifier: Apache-2.0
import Compression
import CostModel
import LanguageModel
import Quantities
import Testing

/// What engines themselves report, held against their rules.
@Suite struct EngineMemoryTests {
  private static func predicted(
    _ engine: Engine, _ model: String, _ variant: String, _ component: MemoryObservation.Component,
    _ workload: Workload,
    _ placement: EngineMemory.Placement
  ) throws -> Double {
    let description = try Fixture.model(model)
    let weights = try Fixture.variant(variant).summary(of: TensorCensus(description)).alignedBytes
    let observation = MemoryObservation(
      engine: engine, model: model, label: "", component: component, architecture: description.architecture,
      weights: weights, workload: workload, placement: placement, measured: .mebibytes(1))
    return try #require(observation.predicted.value).magnitude / 1_048_576
  }

  private static func card(_ gibibytes: Double) -> EngineMemory.Placement {
    EngineMemory.Placement(isOnDevice: true, deviceMemory: .gibibytes(gibibytes))
  }

  /// vLLM's log on devices of 22.07 and 79.14 GiB, share 0.9, Llama-3.1-8B in bf16.
  @Test func `vLLM leaves for the cache what its profile logs`() throws {
    for (gibibytes, room) in [(22.07, 4710.4), (79.14, 56248.3)] {
      let value = try Self.predicted(
        .vllm, "meta-llama/Llama-3.1-8B", "bf16", .room, Workload(contextTokens: 8192), Self.card(gibibytes))
      #expect(abs(value / room - 1) < 0.02, "\(value)")
    }
    let activations = try Self.predicted(
      .vllm, "meta-llama/Llama-3.1-8B", "bf16", .activations, Workload(), Self.card(22.07))
    #expect(abs(activations / 225.28 - 1) < 0.05)
  }

  @Test func `the room holds so many sequences of a context, in blocks of sixteen tokens`() throws {
    let description = try Fixture.model("meta-llama/Llama-3.1-8B")
    let weights = try Fixture.variant("bf16").summary(of: TensorCensus(description)).alignedBytes
    let memory = ServingMemory(
      description.architecture, weights: weights, Workload(contextTokens: 8190), Self.card(79.14))
    // 128 KiB per token: 8192 tokens are exactly 1 GiB.
    let room = try #require(memory.room?.value)
    #expect(memory.concurrency == Int(room.magnitude / 1_073_741_824))
  }

  /// Qwen's benchmark pages: peak memory of transformers for a prompt and 2048 generated tokens.
  @Test(arguments: [
    ("Qwen/Qwen2.5-3B-Instruct", "bf16", 30720, false, 9523.2),
    ("Qwen/Qwen2.5-3B-Instruct", "bf16", 6144, false, 6748.2),
    ("Qwen/Qwen2.5-32B-Instruct", "gptq4-g128", 30720, false, 32604.2),
    // Before 4.45 the logits of the whole prompt outweigh the model 28 times.
    ("Qwen/Qwen2-0.5B-Instruct", "bf16", 30720, true, 28272.6),
  ])
  func `transformers peaks where its users read it`(
    model: String, variant: String, prompt: Int, isOld: Bool, mebibytes: Double
  ) throws {
    var placement = Self.card(80)
    placement.keepsPromptLogits = isOld
    let value = try Self.predicted(
      .transformers, model, variant, .total,
      Workload(promptTokens: prompt, generatedTokens: 2048, contextTokens: prompt + 2048), placement)
    #expect(abs(value / mebibytes - 1) < 0.03, "\(value)")
  }

  @Test(arguments: Engine.allCases) func `every engine's items add up and none is negative`(engine: Engine) throws {
    let description = try Fixture.model("Qwen3-30B-A3B")
    let items = EngineMemory.items(
      engine, description.architecture, weights: .gibibytes(17), Workload(), Self.card(24))
    #expect(items.allSatisfy { ($0.bytes.value ?? .zero) >= .zero && !$0.formula.isEmpty })
    #expect(items.first?.bytes.value == .gibibytes(17))
    #expect(items.contains { $0.kind == .keyValueCache })
  }
}
