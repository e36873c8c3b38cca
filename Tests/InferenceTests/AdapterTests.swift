// SPDX-License-Identifier: Apache-2.0
import CostModel
import Foundation
import Inference
import LanguageModel
import ModelFiles
import TestSupport
import Testing

/// PEFT adapters beside a checkpoint, against the matrices that they add up to.
@Suite struct AdapterTests {
  private struct Adapter {
    var rank: Int
    var settings: String
    /// What its product is multiplied with.
    var factor: Float
    var inner: [Float]
    var outer: [Float]

    init(rank: Int, settings: String, factor: Float, seed: UInt64) {
      self.rank = rank
      self.settings = settings
      self.factor = factor
      var random = SeededRandom(seed: seed)
      inner = (0..<rank * 128).map { _ in Float.random(in: -0.1...0.1, using: &random) }
      outer = (0..<128 * rank).map { _ in Float.random(in: -0.1...0.1, using: &random) }
    }

    func write(to folder: URL) throws {
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      let name = "base_model.model.model.layers.0.self_attn.q_proj"
      let parts = [
        PackedCheckpoint.Part(name: name + ".lora_A.weight", type: "F32", shape: [rank, 128], bytes: floats(inner)),
        PackedCheckpoint.Part(name: name + ".lora_B.weight", type: "F32", shape: [128, rank], bytes: floats(outer)),
      ]
      try Data(PackedCheckpoint.safetensors(parts)).write(
        to: folder.appendingPathComponent("adapter_model.safetensors"))
      try Data(settings.utf8).write(to: folder.appendingPathComponent("adapter_config.json"))
    }

    func sum(row: Int, column: Int) -> Float {
      factor * (0..<rank).reduce(0) { $0 + outer[row * rank + $1] * inner[$1 * 128 + column] }
    }
  }

  /// Alpha over the rank, and alpha over its root.
  private static let adapters = [
    Adapter(rank: 4, settings: #"{"peft_type":"LORA","r":4,"lora_alpha":8}"#, factor: 2, seed: 1),
    Adapter(rank: 16, settings: #"{"peft_type":"LORA","r":16,"lora_alpha":8,"use_rslora":true}"#, factor: 2, seed: 2),
  ]

  @Test func `several adapters add what their scales say`() throws {
    // The plain twin is the checkpoint with the sums in its matrices.
    let scales: [Float] = [1, -0.5]
    var (base, sum) = ([Float](), [Float]())
    let merged = try PackedCheckpoint(settings: #"{"quant_method":"fp8"}"#) { name, rows, columns, random in
      let values = (0..<rows * columns).map { _ in Float.random(in: -0.1...0.1, using: &random) }
      let parts = [
        PackedCheckpoint.Part(name: name + ".weight", type: "F32", shape: [rows, columns], bytes: floats(values))
      ]
      guard name.hasSuffix("q_proj") else { return (parts, values) }
      base = values
      sum = values.indices.map { index in
        zip(Self.adapters, scales).reduce(values[index]) {
          $0 + $1.1 * $1.0.sum(row: index / columns, column: index % columns)
        }
      }
      return (parts, sum)
    }
    defer { merged.remove() }
    #expect(base != sum)
    let paths = Self.adapters.indices.map { merged.folder.appendingPathComponent("adapter\($0)") }
    for (adapter, path) in zip(Self.adapters, paths) { try adapter.write(to: path) }
    let model = try ModelFile.open(merged.folder.path)
    let adapted = try model.adapted(by: zip(paths, scales).map { (try AdapterFile.open($0.path), $1) })
    let expected = try logits(ModelFile.open(merged.plainFolder.path)).map(Double.init)
    // Sums of a hundred float products in another order.
    #expect(relativeDistance(try logits(adapted), expected) < 1e-4)
    #expect(relativeDistance(try logits(model), expected) > 1e-3)
  }

  @Test func `a GGUF adapter adds what its alpha says to a GGUF model`() throws {
    let folder = try TemporaryFolder()
    let golden = try GoldenModel("llama-3")
    let model = try golden.open(in: folder)
    let weights = try #require(model.weights)
    var random = SeededRandom(seed: 12)
    let (rank, alpha) = (4, Float(6))
    var writer = GGUFWriter()
    for (key, value) in [("general.type", "adapter"), ("general.architecture", "llama"), ("adapter.type", "lora")] {
      writer.set(key, .string(value))
    }
    writer.set("adapter.lora.alpha", .float32(alpha))
    var contents: [[UInt8]] = []
    var merged = try Data(contentsOf: URL(fileURLWithPath: weights.path))
    for name in ["blk.0.attn_q.weight", "blk.1.ffn_down.weight"] {
      let index = try #require(weights.index(ofTensorNamed: name))
      let tensor = weights.inventory.tensors[index]
      let (rows, columns) = (Int(tensor.rows), Int(tensor.columns))
      let inner = (0..<rank * columns).map { _ in Float.random(in: -0.2...0.2, using: &random) }
      let outer = (0..<rows * rank).map { _ in Float.random(in: -0.2...0.2, using: &random) }
      writer.add(tensor: name + ".lora_a", dimensions: [columns, rank], format: .f32)
      writer.add(tensor: name + ".lora_b", dimensions: [rank, rows], format: .f32)
      contents += [floats(inner), floats(outer)]
      let bytes = Data(weights.bytes(ofTensor: index))
      let values = Array(weights.bytes(ofTensor: index).bindMemory(to: Float.self))
      let sums = values.indices.map { place in
        values[place]
          + alpha / Float(rank)
          * (0..<rank).reduce(0) { $0 + outer[place / columns * rank + $1] * inner[$1 * columns + place % columns] }
      }
      merged.replaceSubrange(try #require(merged.range(of: bytes)), with: floats(sums))
    }
    let adapter = try AdapterFile.open(folder.write(writer.bytes { contents[$0] }, "adapter.gguf"))
    let expected = try logits(ModelFile.open(folder.write(Array(merged), "merged.gguf"))).map(Double.init)
    #expect(relativeDistance(try logits(model.adapted(by: [(adapter, 1)])), expected) < 1e-4)
    #expect(relativeDistance(try logits(model), expected) > 1e-3)
  }

  @Test func `an adapter of another model is refused with the matrix's name`() throws {
    let checkpoint = try PackedCheckpoint(settings: #"{"quant_method":"fp8"}"#, pack: PackedCheckpoint.bytes(.tensor))
    defer { checkpoint.remove() }
    let folder = checkpoint.folder.appendingPathComponent("adapter")
    try Self.adapters[0].write(to: folder)
    let file = folder.appendingPathComponent("adapter_model.safetensors")
    var bytes = Array(try Data(contentsOf: file))
    let (from, to) = (Array("layers.0".utf8), Array("layers.7".utf8))
    for start in 0..<bytes.count - from.count where bytes[start..<start + from.count].elementsEqual(from) {
      bytes.replaceSubrange(start..<start + from.count, with: to)
    }
    try Data(bytes).write(to: file)
    try expectRefusal(checkpoint, folder)
  }

  private func expectRefusal(_ checkpoint: PackedCheckpoint, _ folder: URL) throws {
    let model = try ModelFile.open(checkpoint.folder.path)
    let adapter = try AdapterFile.open(folder.path)
    #expect {
      _ = try model.adapted(by: [(adapter, 1)])
    } throws: { "\($0)".contains("blk.7.attn_q.weight") }
  }

  private func logits(_ file: ModelFile) throws -> [Float] {
    let weights = try #require(file.weights)
    return try withPool(2) { pool in
      let session = try InferenceSession(
        architecture: file.description.architecture, weights: weights,
        workload: Workload(contextTokens: 16, keyValueFormat: .f32, microBatch: 8), kernels: .init(.portable),
        pool: pool)
      return Array(try session.logits(after: [5, 9, 33, 2, 60]))
    }
  }
}
