// SPDX-License-Identifier: Apache-2.0
import Compression
import CostModel
import Evidence
import Foundation
import JSONText
import Planning
import Testing
import Training

/// Adapters that `train` writes, in both of their layouts.
@Suite struct AdapterTrainingTests {
  static let story = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("InferenceTests/Models/stories260K-f32.gguf").path
  static let text = String(
    repeating: "Once upon a time there was a little girl named Lily. She loved to play with her red ball. ", count: 6)
  static let running = MeasuringOptions(threads: 1, toolVersion: "test")

  private func train(_ session: PlanningSession, to output: String) throws -> TrainingRecord {
    try session.train(
      Self.story, to: output,
      ModelTrainingOptions(
        text: Self.text, adaptation: .lora(LoRASettings(rank: 2)),
        settings: TrainingSettings(steps: 3, rate: 2e-2, batch: 1, context: 24, seed: 5), running: Self.running))
  }

  private func nats(_ session: PlanningSession, _ model: String, _ adapter: String?) throws -> Double {
    var running = Self.running
    running.adapters = adapter.map { [AdapterReference(path: $0)] } ?? []
    let judged = try session.evaluate(
      model, reference: nil,
      EvaluatingOptions(text: Self.text, tasks: nil, contextTokens: 64, limit: 2, running: running))
    return try #require(judged.text?.likelihood.estimate).value
  }

  @Test func `PEFT's layout beside a checkpoint says what the GGUF adapter beside the GGUF file says`() throws {
    try Fixture.withSession { session, folder in
      let (gguf, peft) = (folder.path + "/adapter.gguf", folder.path + "/adapter")
      let records = try [gguf, peft].map { try train(session, to: $0) }
      #expect(records[0].lastLoss == records[1].lastLoss && records[1].variant == "lora-2")
      let checkpoint = folder.path + "/checkpoint"
      _ = try session.compress(
        Self.story, to: checkpoint, try CompressionVariant(parsing: "f32"), CompressingOptions(running: Self.running))
      let plain = try nats(session, Self.story, nil)
      let beside = (try nats(session, Self.story, gguf), try nats(session, checkpoint, peft))
      // Sums of the same numbers, rows of queries and keys in another order.
      #expect(abs(beside.0 - beside.1) < 1e-4)
      #expect(abs(beside.0 - plain) > 1e-2)
      // A folder that is there is not written over, and told before the training.
      #expect(throws: TrainingError.self) { try train(session, to: peft) }
    }
  }

  @Test func `PEFT's names and settings are those that its own files have`() throws {
    try Fixture.withSession { session, folder in
      let path = folder.path + "/adapter"
      _ = try train(session, to: path)
      let settings = try JSON(parsing: Array(Data(contentsOf: URL(fileURLWithPath: path + "/adapter_config.json"))))
      #expect(settings["peft_type"]?.stringValue == "LORA" && settings["task_type"]?.stringValue == "CAUSAL_LM")
      #expect(settings["r"]?.intValue == 2 && settings["lora_alpha"]?.doubleValue == 4)
      #expect(
        settings["target_modules"]?.arrayValue?.compactMap(\.stringValue)
          == ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"])
      let bytes = Array(try Data(contentsOf: URL(fileURLWithPath: path + "/adapter_model.safetensors")))
      let length = bytes[0..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
      let header = try JSON(parsing: Array(bytes[8..<8 + length]))
      let name = "base_model.model.model.layers.4.mlp.down_proj"
      #expect(header[name + ".lora_A.weight"]?["shape"] == [2, 172])
      #expect(header[name + ".lora_B.weight"]?["shape"] == [64, 2])
      #expect(header.members?.filter { $0.key != "__metadata__" }.count == 2 * 7 * 5)
    }
  }
}
