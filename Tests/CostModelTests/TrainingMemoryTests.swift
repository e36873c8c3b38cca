// SPDX-License-Identifier: Apache-2.0
import CostModel
import LanguageModel
import Quantities
import Testing

/// What training takes, held against published figures.
@Suite struct TrainingMemoryTests {
  private static func memory(_ model: String, _ plan: TrainingPlan) throws -> TrainingMemory {
    try TrainingMemory(try Fixture.model(model), plan)
  }

  private static func gigabytes(_ memory: TrainingMemory, _ label: String) throws -> Double {
    try #require(memory.items.first { $0.label == label }?.bytes.value).magnitude / 1e9
  }

  /// PEFT prints 41,943,040 trainable parameters for Llama-3-8B with rank 16 on all linear layers.
  @Test func `adapters of rank 16 have as many weights as PEFT prints`() throws {
    let memory = try Self.memory("Meta-Llama-3-8B", TrainingPlan(method: .lora(rank: 16)))
    #expect(memory.trainedParameters == 41_943_040)
    // 16 bytes for each with its gradient and AdamW's states, the weight itself among the loaded.
    let beside = try Self.gigabytes(memory, "gradients") + Self.gigabytes(memory, "optimiser")
    #expect(abs(beside - 41_943_040 * 14 / 1e9) < 1e-6)
  }

  /// QLoRA (arXiv 2305.14314): full 16-bit training of 65 billion weights takes more than 780 GB; with 4 bits it fits 48 GB.
  @Test func `a 65B model trains in 48 GB with 4-bit weights and not in 780 in full`() throws {
    let full = try Self.memory("huggyllama/llama-65b", TrainingPlan(method: .full, sequenceTokens: 512))
    #expect(try #require(full.footprint.total.value) > .gigabytes(780))
    let plan = TrainingPlan(
      method: .qlora(rank: 64), sequenceTokens: 512, optimizer: .pagedAdamw8bit, hasCheckpointing: true)
    let small = try #require(try Self.memory("huggyllama/llama-65b", plan).footprint.total.value)
    #expect(small < .gigabytes(48) && small > .gigabytes(33))
  }

  @Test func `full training takes sixteen bytes per weight before any activation`() throws {
    let memory = try Self.memory("Meta-Llama-3-8B", TrainingPlan(method: .full))
    let sum = try ["weights", "gradients", "optimiser"].map { try Self.gigabytes(memory, $0) }.reduce(0, +)
    #expect(abs(sum / (16 * 8.030261248) - 1) < 0.001)
    // 2048 logits of 128,256 words at ten bytes.
    #expect(abs(try Self.gigabytes(memory, "logits and loss") - 2.6267) < 0.001)
  }

  @Test func `checkpoints keep less and compute more`() throws {
    var plan = TrainingPlan(method: .full)
    let whole = try Self.memory("Meta-Llama-3-8B", plan)
    plan.hasCheckpointing = true
    let saved = try Self.memory("Meta-Llama-3-8B", plan)
    #expect(try Self.gigabytes(saved, "activations") < Self.gigabytes(whole, "activations") / 5)
    #expect(saved.passes == whole.passes + 1)
  }

  @Test func `ways to train are read as people write them`() {
    #expect(TrainingPlan.method("full") == .full && TrainingPlan.method("qlora-64") == .qlora(rank: 64))
    for text in ["lora", "lora-0", "lora-x", "dora-8", ""] { #expect(TrainingPlan.method(text) == nil) }
  }
}
