// SPDX-License-Identifier: Apache-2.0
import Compression
import CostModel
import Evidence
import Foundation
import Inference
import JSONText
import LanguageModel
import ModelFiles
import Runner
import Testing

@Suite struct AdapterMergingTests {
  private let rank = 4
  private let alpha: Float = 8
  private let columns = 64

  private func value(_ index: Int) -> Float { Float(index * 37 % 101) / 500 - 0.1 }

  /// A GGUF adapter for the queries of the second layer.
  private func writeAdapter(to path: String, for name: String = "blk.1.attn_q.weight") throws {
    var writer = GGUFWriter()
    writer.set("general.type", .string("adapter"))
    writer.set("general.architecture", .string("llama"))
    writer.set("adapter.type", .string("lora"))
    writer.set("adapter.lora.alpha", .float32(alpha))
    writer.add(tensor: name + ".lora_a", dimensions: [columns, rank], format: .f32)
    writer.add(tensor: name + ".lora_b", dimensions: [rank, columns], format: .f32)
    let bytes = writer.bytes { tensor in
      (0..<rank * columns).map { value($0 + tensor) }.withUnsafeBytes { Array($0) }
    }
    try Data(bytes).write(to: URL(fileURLWithPath: path))
  }

  @Test func `a merged adapter is in the weights, by its scale, and the model is the one with the adapter beside it`()
    throws
  {
    try TemporaryFile.with { path in
      let adapterPath = path + ".lora"
      try writeAdapter(to: adapterPath)
      let adapter = try AdapterFile.open(adapterPath)
      let made = try Making.make("f32", to: path, calibrated: false, change: { $0.adapters = [(adapter, 0.5)] })
      let name = "blk.1.attn_q.weight"
      let (old, new) = (try Making.values(Story.file(), name), try Making.values(made, name))
      for index in old.indices {
        let sum = (0..<rank).reduce(Float(0)) {
          $0 + value(index / columns * rank + $1 + 1) * value($1 * columns + index % columns)
        }
        #expect(abs(new[index] - old[index] - 0.5 * alpha / Float(rank) * sum) < 1e-5)
      }
      #expect(try Making.values(made, "blk.0.attn_q.weight") == Making.values(Story.file(), "blk.0.attn_q.weight"))
      #expect(made.description.inventory.fileNames == (try Story.file()).description.inventory.fileNames)
      #expect(
        made.metadata?[Provenance.stepsKey]?.stringValue?.hasPrefix("adapter made.gguf.lora merged by 0.5") == true)
      let beside = try Story.file().adapted(by: [(adapter, 0.5)])
      let distance = try divergence(made, from: beside)
      #expect(distance < 1e-8)
      #expect(try divergence(made, from: Story.file()) > 100 * distance)
    }
  }

  private func divergence(_ file: ModelFile, from reference: ModelFile) throws -> Double {
    let tokenizer = try Story.model().tokenizer
    func model(_ file: ModelFile) throws -> EvaluatedModel {
      EvaluatedModel(
        description: file.description, weights: try #require(file.weights), tokenizer: tokenizer, variant: "made")
    }
    let text = try #require(Story.expected()["greedy_text"]?.stringValue)
    let request = EvaluationRequest(text: text, contextTokens: 128, strideTokens: 64, keyValueFormat: .f32, threads: 2)
    let evaluator = Evaluator(machine: try Fixture.machine(), toolVersion: "test")
    return try #require(evaluator.evaluate(model(file), reference: model(reference), request).divergence?.mean).value
  }

  @Test func `it goes into every variant, also into one that is named by it`() throws {
    try TemporaryFile.with { path in
      try writeAdapter(to: path + ".lora")
      let adapter = try AdapterFile.open(path + ".lora")
      for variant in ["lora-4-merged+q8_0", "depth-1+gptq4-g32"] {
        let made = try Making.make(variant, to: path, change: { $0.adapters = [(adapter, 1)] })
        #expect(made.metadata?[Provenance.variantKey]?.stringValue == variant)
        #expect(!made.description.inventory.tensors.contains { $0.part != .whole })
      }
    }
  }

  @Test func `an adapter of another model, and weights that nothing can be added to, are refused`() throws {
    try TemporaryFile.with { path in
      try writeAdapter(to: path + ".lora", for: "blk.7.attn_q.weight")
      let stranger = try AdapterFile.open(path + ".lora")
      #expect(throws: ModelFileError.self) {
        try Making.make("f16", to: path, calibrated: false, change: { $0.adapters = [(stranger, 1)] })
      }
      try writeAdapter(to: path + ".own")
      let own = try AdapterFile.open(path + ".own")
      let source = path + ".q8.gguf"
      _ = try Making.make("q8_0", to: source, calibrated: false)
      #expect(
        throws: CompressorError.alreadyQuantised(path: source, tensor: "blk.1.attn_q.weight", format: "q8_0")
      ) {
        try Making.make("original", to: path, source: source, calibrated: false, change: { $0.adapters = [(own, 1)] })
      }
      #expect(!FileManager.default.fileExists(atPath: path))
    }
  }
}
