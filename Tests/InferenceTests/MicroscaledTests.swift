// SPDX-License-Identifier: Apache-2.0
import CostModel
import Foundation
import Inference
import LanguageModel
import ModelFiles
import TestSupport
import Testing

/// gpt-oss with experts in MXFP4, packed here as its checkpoints are, against the floats that they stand for.
@Suite struct MicroscaledTests {
  private static let experts = 4
  private static let width = 64

  /// E2M1: a sign, two bits of exponent, one of fraction.
  private static let levels: [Float] = [0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6]

  private var common: [PackedCheckpoint.Part] {
    var random = SeededRandom(seed: 8)
    func part(_ name: String, _ shape: [Int], _ center: Float, _ spread: Float) -> PackedCheckpoint.Part {
      let values = (0..<shape.reduce(1, *)).map { _ in center + spread * Float.random(in: -1...1, using: &random) }
      return PackedCheckpoint.Part(name: name, type: "F32", shape: shape, bytes: floats(values))
    }
    let layer = "model.layers.0."
    return [
      part("model.embed_tokens.weight", [64, 64], 0, 1), part("lm_head.weight", [64, 64], 0, 0.2),
      part("model.norm.weight", [64], 1, 0.3), part(layer + "input_layernorm.weight", [64], 1, 0.3),
      part(layer + "post_attention_layernorm.weight", [64], 1, 0.3),
      part(layer + "self_attn.q_proj.weight", [64, 64], 0, 0.2), part(layer + "self_attn.q_proj.bias", [64], 0, 0.3),
      part(layer + "self_attn.k_proj.weight", [32, 64], 0, 0.2), part(layer + "self_attn.k_proj.bias", [32], 0, 0.3),
      part(layer + "self_attn.v_proj.weight", [32, 64], 0, 0.2), part(layer + "self_attn.v_proj.bias", [32], 0, 0.3),
      part(layer + "self_attn.o_proj.weight", [64, 64], 0, 0.2), part(layer + "self_attn.o_proj.bias", [64], 0, 0.3),
      part(layer + "self_attn.sinks", [4], 0, 1), part(layer + "mlp.router.weight", [Self.experts, 64], 0, 0.3),
      part(layer + "mlp.router.bias", [Self.experts], 0, 0.3),
      part(layer + "mlp.experts.gate_up_proj_bias", [Self.experts, 2 * Self.width], 0, 0.3),
      part(layer + "mlp.experts.down_proj_bias", [Self.experts, 64], 0, 0.3),
    ]
  }

  /// Blocks and scales of (experts, outputs, inputs), and the floats as the unquantised checkpoint has them: (experts,
  /// inputs, outputs).
  private func matrices(
    _ name: String, outputs: Int, inputs: Int, _ random: inout SeededRandom
  ) -> (packed: [PackedCheckpoint.Part], plain: PackedCheckpoint.Part) {
    let count = Self.experts * outputs * inputs
    let codes = (0..<count).map { _ in UInt8.random(in: 0...15, using: &random) }
    let scales = (0..<count / 32).map { _ in UInt8.random(in: 121...124, using: &random) }
    let bytes = (0..<count / 2).map { codes[2 * $0] | codes[2 * $0 + 1] << 4 }
    var values = [Float](repeating: 0, count: count)
    for (index, code) in codes.enumerated() {
      let (expert, output, input) = (index / inputs / outputs, index / inputs % outputs, index % inputs)
      let scale = Float(sign: .plus, exponent: Int(scales[index / 32]) - 127, significand: 1)
      values[(expert * inputs + input) * outputs + output] = Self.levels[Int(code)] * scale
    }
    let shape = [Self.experts, outputs, inputs / 32]
    return (
      [
        PackedCheckpoint.Part(name: name + "_blocks", type: "U8", shape: shape + [16], bytes: bytes),
        PackedCheckpoint.Part(name: name + "_scales", type: "U8", shape: shape, bytes: scales),
      ],
      PackedCheckpoint.Part(name: name, type: "F32", shape: [Self.experts, inputs, outputs], bytes: floats(values))
    )
  }

  private func open(
    _ folder: TemporaryFolder, _ parts: [PackedCheckpoint.Part], isPacked: Bool
  ) throws -> ModelFile {
    let settings = #","quantization_config":{"quant_method":"mxfp4","modules_to_not_convert":["lm_head"]}"#
    let configuration = """
      {"model_type":"gpt_oss","vocab_size":64,"hidden_size":64,"intermediate_size":\(Self.width),"num_hidden_layers":1,
      "num_attention_heads":4,"num_key_value_heads":2,"head_dim":16,"max_position_embeddings":256,
      "num_local_experts":\(Self.experts),"num_experts_per_tok":2,"sliding_window":4,"rope_theta":150000.0,
      "torch_dtype":"float32"\(isPacked ? settings : "")}
      """
    _ = try folder.write(Array(configuration.utf8), "config.json")
    _ = try folder.write(PackedCheckpoint.safetensors(parts), "model.safetensors")
    return try ModelFile.open(folder.path)
  }

  @Test func `experts in blocks give the logits of the floats that they stand for`() throws {
    var random = SeededRandom(seed: 9)
    let base = "model.layers.0.mlp.experts."
    let fused = matrices(base + "gate_up_proj", outputs: 2 * Self.width, inputs: 64, &random)
    let down = matrices(base + "down_proj", outputs: 64, inputs: Self.width, &random)
    let (first, second) = (try TemporaryFolder(), try TemporaryFolder())
    let packed = try open(first, common + fused.packed + down.packed, isPacked: true)
    let plain = try open(second, common + [fused.plain, down.plain], isPacked: false)
    let stacks = packed.description.inventory.tensors.filter { $0.copies > 1 && !$0.isVector }
    #expect(Set(stacks.map(\.role)) == [.expertGate, .expertUp, .expertDown])
    #expect(stacks.allSatisfy { $0.format == .block(.mxfp4) && $0.rows == 64 && $0.columns == 64 && $0.copies == 4 })
    #expect(packed.description.inventory.parameterCount == plain.description.inventory.parameterCount)
    try withPool(2) { pool in
      let expected = try logits(plain, .init(.portable), pool).map(Double.init)
      for kernels in runnableKernels() {
        // Inputs are rounded to eight bits (see ArchitectureTests), or, by the portable set, not at all.
        let bound = kernels.name == .portable ? 1e-4 : 0.04
        #expect(relativeDistance(try logits(packed, kernels, pool), expected) < bound, "\(kernels.name)")
      }
    }
  }

  @Test func `blocks without their scales are refused by name`() throws {
    var random = SeededRandom(seed: 9)
    let base = "model.layers.0.mlp.experts."
    let fused = matrices(base + "gate_up_proj", outputs: 2 * Self.width, inputs: 64, &random)
    let folder = try TemporaryFolder()
    #expect {
      _ = try open(folder, common + [fused.packed[0]], isPacked: true)
    } throws: { error in
      guard case ModelFileError.malformed(_, .tensor(let name, _), _) = error else { return false }
      return name == base + "gate_up_proj_scales"
    }
  }

  private func logits(_ file: ModelFile, _ kernels: KernelSet, _ pool: ThreadPool) throws -> [Float] {
    let session = try InferenceSession(
      architecture: file.description.architecture, weights: try #require(file.weights),
      workload: Workload(contextTokens: 32, keyValueFormat: .f32, microBatch: 8), kernels: kernels, pool: pool)
    return Array(try session.logits(after: [3, 17, 60, 5, 42, 8, 61]))
  }
}
