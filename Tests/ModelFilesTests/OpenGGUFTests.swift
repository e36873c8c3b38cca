// SPDX-License-Identifier: Apache-2.0
import Foundation
import LanguageModel
import Quantities
import TestSupport
import Testing

@testable import ModelFiles

/// A llama of two layers, 64 wide, with 8-bit matrices.
func toyLlama() -> GGUFWriter {
  var writer = GGUFWriter()
  writer.set("general.architecture", .string("llama"))
  writer.set("general.name", .string("Toy"))
  for (key, value) in [
    ("block_count", 2), ("context_length", 128), ("embedding_length", 64), ("feed_forward_length", 96),
    ("attention.head_count", 4), ("attention.head_count_kv", 2), ("rope.dimension_count", 16),
  ] as [(String, UInt32)] {
    writer.set("llama.\(key)", .uint32(value))
  }
  writer.set("llama.attention.layer_norm_rms_epsilon", .float32(1e-5))
  writer.set("tokenizer.ggml.tokens", .array(GGUFArray((0..<32).map { "t\($0)" })))
  writer.add(tensor: "token_embd.weight", dimensions: [64, 32], format: .q8_0)
  for layer in 0..<2 {
    for (name, rows, columns) in [
      ("attn_q", 64, 64), ("attn_k", 32, 64), ("attn_v", 32, 64), ("attn_output", 64, 64), ("ffn_gate", 96, 64),
      ("ffn_up", 96, 64), ("ffn_down", 64, 96),
    ] {
      writer.add(tensor: "blk.\(layer).\(name).weight", dimensions: [columns, rows], format: .q8_0)
    }
    for name in ["attn_norm", "ffn_norm"] {
      writer.add(tensor: "blk.\(layer).\(name).weight", dimensions: [64], format: .f32)
    }
  }
  writer.add(tensor: "output_norm.weight", dimensions: [64], format: .f32)
  return writer
}

@Suite struct `Opening a GGUF file` {
  @Test func `gives its description, its weights and its vocabulary`() throws {
    let folder = try TemporaryFolder()
    let writer = toyLlama()
    let path = try folder.write(
      writer.bytes { [UInt8](repeating: 1, count: writer.tensors[$0].byteCount) }, "toy.gguf")
    let model = try ModelFile.open(path)
    let architecture = model.description.architecture
    #expect(model.description.name == "Toy")
    #expect(model.description.provenance == .ggufFile(path: path))
    #expect(architecture.modelType == "llama")
    #expect(architecture.hiddenSize == 64)
    #expect(architecture.vocabularySize == 32)
    #expect(architecture.hasTiedEmbeddings)
    #expect(architecture.layers.count == 2)
    #expect(
      architecture.layers[0].mixers == [.attention(Attention(heads: 4, keyValueHeads: 2, keyWidth: 16, valueWidth: 16))]
    )
    #expect(architecture.layers[1].feedForward == FeedForward(width: 96))
    #expect(model.description.inventory.bytes == model.weights?.inventory.bytes)
    #expect(model.metadata?.arrayCount("tokenizer.ggml.tokens") == 32)
    // A file without its usual name is known by its first bytes.
    let renamed = try folder.write(writer.bytes { [UInt8](repeating: 1, count: writer.tensors[$0].byteCount) }, "blob")
    #expect(try ModelFile.open(renamed).description.parametersTotal == model.description.parametersTotal)
  }

  @Test(.enabled(if: SharedData.file("models/stories260K-f32.gguf") != nil, "../shared/data/models is absent"))
  func `describes a real trained model`() throws {
    let path = try #require(SharedData.file("models/stories260K-f32.gguf")).path
    let description = try ModelFile.open(path).description
    #expect(description.architecture.hiddenSize == 64)
    #expect(description.architecture.layers.count == 5)
    #expect(description.architecture.vocabularySize == 512)
  }

  @Test(.enabled(if: SharedData.file("vocab/ggml-vocab-gpt-2.gguf") != nil, "../shared/data/vocab is absent"))
  func `refuses a vocabulary without weights by name`() throws {
    let path = try #require(SharedData.file("vocab/ggml-vocab-gpt-2.gguf")).path
    let error = #expect(throws: ModelFileError.self) { try ModelFile.open(path) }
    #expect(error?.message.contains("'\(path)'") == true)
    #expect(error?.exitCode == .badInput)
  }

  @Test func `survives damage anywhere, down to the description`() throws {
    let folder = try TemporaryFolder()
    let writer = toyLlama()
    let original = writer.headerBytes()
    let dataBytes = writer.fileBytes - original.count
    for seed in 0..<400 {
      var mutator = Mutator(random: SeededRandom(seed: UInt64(seed) &+ 50_000))
      let path = try folder.write(
        mutator.mutate(original) + [UInt8](repeating: 1, count: dataBytes), "toy.gguf")
      do {
        let model = try ModelFile.open(path)
        #expect(model.description.inventory.bytes <= ByteCount(writer.fileBytes + 256))
      } catch {
        #expect(error.message.contains("'\(path)'"), "seed \(seed): \(error.message)")
        #expect(error.remedy.count > 10)
      }
    }
  }
}
