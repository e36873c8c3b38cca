// SPDX-License-Identifier: Apache-2.0
import CostModel
import Foundation
import Inference
import JSONText
import LanguageModel
import ModelFiles
import Runner
import Testing

/// Checkpoints' folders that become GGUF files.
@Suite struct GGUFConversionTests {
  private func folder<Result>(_ body: (String) throws -> Result) throws -> Result {
    try TemporaryFile.with { try body(String($0.dropLast(5))) }
  }

  private func tensors(_ file: ModelFile) throws -> [String: [UInt8]] {
    let weights = try #require(file.weights)
    return Dictionary(
      uniqueKeysWithValues: weights.inventory.fileNames.enumerated().map {
        ($1, Array(weights.bytes(ofTensor: $0)))
      })
  }

  /// The logits after the last of some tokens.
  private func logits(_ file: ModelFile, _ tokens: [Int32]) throws -> [Float] {
    let pool = try ThreadPool(count: 2)
    defer { pool.stop() }
    let session = try InferenceSession(
      architecture: file.description.architecture, weights: try #require(file.weights),
      workload: Workload(contextTokens: 64, keyValueFormat: .f32), kernels: .best, pool: pool)
    return Array(try session.logits(after: tokens))
  }

  @Test(arguments: ["f16", "q8_0"])
  func `a file by way of a folder is the file made at once`(variant: String) throws {
    try folder { path in
      _ = try Making.make("f32", to: path, calibrated: false)
      let made = try Making.make(variant, to: path + ".gguf", source: path, calibrated: false)
      let direct = try Making.make(variant, to: path + "-direct.gguf", calibrated: false)
      #expect(made.description.architecture == direct.description.architecture)
      #expect(try tensors(made) == tensors(direct))
      let (new, old) = (try #require(made.metadata), try #require(direct.metadata))
      let differ = [
        "general.name", "general.description", "general.license", "general.source.url", "tokenizer.ggml.scores",
        Provenance.sourceKey,
      ]
      for key in old.keys where !differ.contains(key) { #expect(new[key] == old[key], "\(key)") }
      let tokenizer = try Tokenizer(new, path: path)
      for text in [try #require(Story.expected()["greedy_text"]?.stringValue), "Ünknown 🦙  spaces", " first", ""] {
        let tokens = try Story.model().tokenizer.encode(text)
        #expect(tokenizer.encode(text) == tokens)
        #expect(try tokenizer.text(of: tokens) == Story.model().tokenizer.text(of: tokens))
      }
    }
  }

  @Test(arguments: ["llama", "mistral", "qwen2", "qwen3"])
  func `a folder of each type gives the same logits and tokens as its file`(type: String) throws {
    try folder { path in
      try RandomCheckpoint(type: type).write(to: path)
      let source = try ModelFile.open(path)
      let made = try Making.make("original", to: path + ".gguf", source: path, calibrated: false)
      let tokens: [Int32] = [3, 141, 59, 26, 535, 897, 932, 384, 62, 643]
      let (own, new) = (try logits(source, tokens), try logits(made, tokens))
      let largest = own.map(abs).max() ?? 0
      #expect(largest > 0.01)
      // Llama's queries and keys are summed in another order, and bases and epsilons have 32 bits: some 2^-23 each.
      for (a, b) in zip(own, new) { #expect(abs(a - b) <= 1e-4 * largest) }
      let (before, after) = (
        try Tokenizer(try #require(try TokenizerFiles.beside(path))),
        try Tokenizer(try #require(made.metadata), path: path)
      )
      for text in ["It was the best of times, it was the worst of times", "don't 12345\n\n  🦙", "<|endoftext|>x"] {
        let ids = before.encode(text, parsesSpecial: true)
        #expect(after.encode(text, parsesSpecial: true) == ids)
        #expect(after.text(of: ids) == before.text(of: ids))
      }
      #expect(after.vocabularySize == RandomCheckpoint.vocabulary)
      #expect(after.endOfSequence == before.endOfSequence && after.addsBeginOfSequence == before.addsBeginOfSequence)
    }
  }

  @Test func `a type that is not written is named, and nothing is left`() throws {
    try folder { path in
      try RandomCheckpoint(type: "gemma").write(to: path)
      #expect(throws: CompressorError.typeNotConverted(path: path, type: "gemma")) {
        try Making.make("f16", to: path + ".gguf", source: path, calibrated: false)
      }
      #expect(!FileManager.default.fileExists(atPath: path + ".gguf"))
    }
  }

  @Test func `a folder that lacks a tensor, or a vocabulary, or has too many tokens is refused`() throws {
    try folder { path in
      func make(_ name: String, _ change: (inout RandomCheckpoint) -> Void) throws {
        var checkpoint = RandomCheckpoint(type: "qwen2")
        change(&checkpoint)
        try checkpoint.write(to: path + name)
        _ = try Making.make("f16", to: path + name + ".gguf", source: path + name, calibrated: false)
      }
      #expect(throws: CompressorError.self) { try make("1") { $0.omitted = "model.layers.1.mlp.up_proj.weight" } }
      #expect(throws: CompressorError.self) { try make("2") { $0.omitted = "model.layers.0.self_attn.q_proj.bias" } }
      #expect(throws: TokenizerError.noVocabulary(path: path + "3")) { try make("3") { $0.hasVocabulary = false } }
      #expect(throws: TokenizerError.self) { try make("4") { $0.rows = 100 } }
      try make("5") { _ in }
    }
  }
}

/// A checkpoint of two layers with random weights in 16 bits, and the vocabulary of the small English model.
struct RandomCheckpoint {
  /// More rows than the 2048 tokens.
  static let vocabulary = 2056

  var type: String
  var rows = Self.vocabulary
  var omitted: String?
  var hasVocabulary = true

  init(type: String) { self.type = type }

  private var configuration: JSON {
    var members: [JSON.Member] = [
      .init("model_type", .string(type)), .init("vocab_size", .integer(Int64(rows))), .init("hidden_size", 64),
      .init("intermediate_size", 96), .init("num_hidden_layers", 2), .init("num_attention_heads", 4),
      .init("num_key_value_heads", 2), .init("head_dim", 16), .init("rms_norm_eps", 1e-6), .init("rope_theta", 50_000),
      .init("max_position_embeddings", 4096), .init("tie_word_embeddings", .bool(type == "qwen2")),
      .init("attention_bias", .bool(type == "llama")), .init("torch_dtype", "bfloat16"),
    ]
    if type == "llama" {
      let scaling: JSON = [
        "rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4,
        "original_max_position_embeddings": 64,
      ]
      members.append(.init("rope_scaling", scaling))
    }
    if type == "mistral" {
      let scaling: JSON = ["rope_type": "yarn", "factor": 4, "original_max_position_embeddings": 1024]
      members.append(.init("rope_scaling", scaling))
    }
    return .object(members)
  }

  private var shapes: [(String, [Int])] {
    var shapes: [(String, [Int])] = [("model.embed_tokens.weight", [rows, 64]), ("model.norm.weight", [64])]
    if type != "qwen2" { shapes.append(("lm_head.weight", [rows, 64])) }
    for layer in 0..<2 {
      var parts: [(String, [Int])] = [
        ("input_layernorm.weight", [64]), ("post_attention_layernorm.weight", [64]),
        ("self_attn.q_proj.weight", [64, 64]), ("self_attn.k_proj.weight", [32, 64]),
        ("self_attn.v_proj.weight", [32, 64]), ("self_attn.o_proj.weight", [64, 64]),
        ("mlp.gate_proj.weight", [96, 64]), ("mlp.up_proj.weight", [96, 64]), ("mlp.down_proj.weight", [64, 96]),
      ]
      if ["llama", "qwen2"].contains(type) {
        parts += [
          ("self_attn.q_proj.bias", [64]), ("self_attn.k_proj.bias", [32]), ("self_attn.v_proj.bias", [32]),
        ]
      }
      if type == "llama" { parts.append(("self_attn.o_proj.bias", [64])) }
      if type == "qwen3" { parts += [("self_attn.q_norm.weight", [16]), ("self_attn.k_norm.weight", [16])] }
      shapes += parts.map { ("model.layers.\(layer).\($0.0)", $0.1) }
    }
    // As safetensors are usually sorted.
    return shapes.filter { $0.0 != omitted }.sorted { $0.0 < $1.0 }
  }

  func write(to path: String) throws {
    let folder = try FolderWriter(path: path)
    try folder.write(configuration.text(pretty: true), as: "config.json")
    if hasVocabulary, let metadata = try TinyModel.file().metadata {
      for (name, json) in try TokenizerFiles.made(of: metadata, path: path) { try folder.write(json.text(), as: name) }
    }
    var writer = SafetensorsWriter()
    for (name, shape) in shapes { writer.add(name, .bf16, shape) }
    var state: UInt64 = 88_172_645_463_325_252
    try writer.write(to: folder.partial + "/model.safetensors") { index, sink in
      let count = writer.tensors[index].shape.reduce(1, *)
      // Norms around one, all else around zero.
      let centre: Float = writer.tensors[index].name.contains("norm") ? 1 : 0
      let values = (0..<count).map { _ -> UInt16 in
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        let value = centre + (Float(state >> 40) / Float(1 << 24) - 0.5) * 0.5
        return UInt16(value.bitPattern >> 16)
      }
      try values.withUnsafeBytes { try sink($0) }
    }
    try folder.finish()
  }
}
