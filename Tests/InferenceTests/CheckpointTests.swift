// SPDX-License-Identifier: Apache-2.0
import CostModel
import Foundation
import Inference
import LanguageModel
import ModelFiles
import Quantities
import Testing

/// Quantised checkpoints, packed here as the libraries' layouts say.
@Suite struct CheckpointTests {
  struct Layout: CustomTestStringConvertible, Sendable {
    var name: String
    var settings: String
    /// What rounding scales to halves may change.
    var scaleError: Double
    var pack: @Sendable () -> PackedCheckpoint.Packer
    var testDescription: String { name }
  }

  static let layouts: [Layout] = [
    Layout(
      name: "awq4-g32", settings: #"{"quant_method":"awq","bits":4,"group_size":32,"version":"gemm"}"#, scaleError: 0
    ) {
      PackedCheckpoint.awq(group: 32)
    },
    Layout(name: "awq4-g128", settings: #"{"quant_method":"awq","bits":4,"group_size":128}"#, scaleError: 0) {
      PackedCheckpoint.awq(group: 128)
    },
    Layout(
      name: "gptq4-g64", settings: #"{"quant_method":"gptq","bits":4,"group_size":64,"desc_act":false}"#, scaleError: 0
    ) {
      PackedCheckpoint.gptq(bits: 4, group: 64)
    },
    Layout(
      name: "gptq4-g32",
      settings:
        #"{"quant_method":"gptq","bits":4,"group_size":32,"checkpoint_format":"gptq_v2"}"#, scaleError: 0
    ) { PackedCheckpoint.gptq(bits: 4, group: 32, zeroOffset: 0) },
    Layout(
      name: "gptq4-g32-act", settings: #"{"quant_method":"gptq","bits":4,"group_size":32,"desc_act":true}"#,
      scaleError: 0
    ) {
      PackedCheckpoint.gptq(bits: 4, group: 32, actOrder: true)
    },
    Layout(name: "gptq3-g64", settings: #"{"quant_method":"gptq","bits":3,"group_size":64}"#, scaleError: 0) {
      PackedCheckpoint.gptq(bits: 3, group: 64)
    },
    Layout(name: "gptq8-g128", settings: #"{"quant_method":"gptq","bits":8,"group_size":128}"#, scaleError: 0) {
      PackedCheckpoint.gptq(bits: 8, group: 128)
    },
    Layout(
      name: "nf4", settings: #"{"quant_method":"bitsandbytes","load_in_4bit":true,"bnb_4bit_quant_type":"nf4"}"#,
      scaleError: 0x1p-11
    ) {
      PackedCheckpoint.levels(isNormal: true, isDouble: false)
    },
    Layout(
      name: "nf4-dq",
      settings:
        #"{"quant_method":"bitsandbytes","load_in_4bit":true,"bnb_4bit_use_double_quant":true}"#, scaleError: 0x1p-11
    ) { PackedCheckpoint.levels(isNormal: true, isDouble: true) },
    Layout(
      name: "fp4", settings: #"{"quant_method":"bitsandbytes","load_in_4bit":true,"bnb_4bit_quant_type":"fp4"}"#,
      scaleError: 0x1p-11
    ) {
      PackedCheckpoint.levels(isNormal: false, isDouble: false)
    },
    Layout(
      name: "int8", settings: #"{"quant_method":"bitsandbytes","load_in_8bit":true,"llm_int8_threshold":6.0}"#,
      scaleError: 0x1p-11
    ) { PackedCheckpoint.bytes(.int8Rows) },
    Layout(
      name: "w8a8",
      settings:
        #"{"quant_method":"compressed-tensors","config_groups":{"group_0":{"weights":{"num_bits":8,"type":"int","strategy":"channel"}}}}"#,
      scaleError: 0x1p-11
    ) { PackedCheckpoint.bytes(.channels) },
    Layout(name: "fp8", settings: #"{"quant_method":"fp8"}"#, scaleError: 0x1p-11) { PackedCheckpoint.bytes(.tensor) },
    Layout(name: "fp8-block", settings: #"{"quant_method":"fp8","weight_block_size":[128,128]}"#, scaleError: 0x1p-11) {
      PackedCheckpoint.bytes(.squares)
    },
    Layout(name: "sparse-0.5", settings: PackedCheckpoint.sparse("sparse-bitmask"), scaleError: 0) {
      PackedCheckpoint.bitmask { $0 / 2 }
    },
    // Eight of 128 and sixteen of 256, found by lists.
    Layout(name: "sparse-0.937", settings: PackedCheckpoint.sparse("sparse-bitmask"), scaleError: 0) {
      PackedCheckpoint.bitmask { $0 / 16 }
    },
    Layout(name: "sparse-2:4", settings: PackedCheckpoint.sparse("sparse-24-bitmask"), scaleError: 0) {
      PackedCheckpoint.bitmask(twoOfFour: true) { $0 / 2 }
    },
  ]

  @Test(arguments: layouts)
  func `a library's layout gives the logits of the matrices that it stands for`(layout: Layout) throws {
    let checkpoint = try PackedCheckpoint(settings: layout.settings, pack: layout.pack())
    defer { checkpoint.remove() }
    let packed = try ModelFile.open(checkpoint.folder.path)
    let plain = try ModelFile.open(checkpoint.plainFolder.path)
    let weights = try #require(packed.weights)
    let matrices = packed.description.inventory.tensors.filter { $0.layer == 0 && !$0.isVector }
    #expect(Set(matrices.map(\.format.name)) == [layout.name])
    #expect(matrices.count == 7)
    try withPool(2) { pool in
      let expected = try logits(plain, try #require(plain.weights), .init(.portable), pool).map(Double.init)
      for kernels in runnableKernels() {
        let logits = try logits(packed, weights, kernels, pool)
        // Portable products take the input as it is: what is left is the rounding of scales, over five products and a
        // few hundred float additions. The others round it to 127 steps, and levels to 120.
        let bound = kernels.name == .portable ? 10 * layout.scaleError + 1e-4 : 0.05
        #expect(relativeDistance(logits, expected) < bound, "\(kernels.name)")
      }
    }
  }

  @Test(arguments: layouts)
  func `a packed model takes the memory that the plan says`(layout: Layout) throws {
    let checkpoint = try PackedCheckpoint(settings: layout.settings, pack: layout.pack())
    defer { checkpoint.remove() }
    let file = try ModelFile.open(checkpoint.folder.path)
    try withPool(1) { pool in
      let weights = try SyntheticWeights(
        inventory: file.description.inventory, of: file.description.architecture, kernels: .best, pool: pool)
      let workload = Workload(contextTokens: 8)
      let session = try InferenceSession(
        architecture: file.description.architecture, weights: weights, workload: workload, kernels: .best, pool: pool)
      #expect(weights.allocated + session.allocatedWithoutWeights == session.plan.total)
      #expect(try session.logits(after: [1, 2, 3]).allSatisfy(\.isFinite))
    }
  }

  @Test func `parts that do not fit their matrix are refused by name`() throws {
    let checkpoint = try PackedCheckpoint(settings: Self.layouts[0].settings) { name, rows, columns, random in
      PackedCheckpoint.awq(group: 64)(name, rows, columns, &random)
    }
    defer { checkpoint.remove() }
    // The configuration says groups of 32, and the scales are those of 64.
    #expect {
      _ = try ModelFile.open(checkpoint.folder.path)
    } throws: { error in
      guard case ModelFileError.malformed(_, .tensor(let name, _), .wrongByteCount) = error else { return false }
      return name == "model.layers.0.self_attn.q_proj.qzeros"
    }
  }

  @Test func `rows that keep different numbers of weights stand for their matrix`() throws {
    let checkpoint = try PackedCheckpoint(settings: PackedCheckpoint.sparse("sparse-bitmask")) {
      name, rows, columns, random in
      var (_, values) = PackedCheckpoint.bitmask { $0 / 2 }(name, rows, columns, &random)
      for index in values.indices where index / columns % 3 == 0 && index % 5 != 0 { values[index] = 0 }
      return (PackedCheckpoint.parts(of: values, name, rows, columns, false), values)
    }
    defer { checkpoint.remove() }
    let (packed, plain) = (
      try ModelFile.open(checkpoint.folder.path), try ModelFile.open(checkpoint.plainFolder.path)
    )
    try withPool(2) { pool in
      let expected = try logits(plain, try #require(plain.weights), .init(.portable), pool).map(Double.init)
      let found = try logits(packed, try #require(packed.weights), .best, pool)
      #expect(relativeDistance(found, expected) < 1e-4)
    }
  }

  @Test func `one input a hundred times the others costs the 8-bit integers of LLM int8 nothing`() throws {
    let checkpoint = try PackedCheckpoint(
      settings: #"{"quant_method":"bitsandbytes","load_in_8bit":true}"#, outlier: 100,
      pack: PackedCheckpoint.bytes(.int8Rows))
    defer { checkpoint.remove() }
    let (packed, plain) = (
      try ModelFile.open(checkpoint.folder.path), try ModelFile.open(checkpoint.plainFolder.path)
    )
    try withPool(2) { pool in
      let expected = try logits(plain, try #require(plain.weights), .init(.portable), pool).map(Double.init)
      for kernels in runnableKernels() {
        let found = try logits(packed, try #require(packed.weights), kernels, pool)
        // The bound of inputs that are all alike.
        #expect(relativeDistance(found, expected) < 0.05, "\(kernels.name)")
      }
    }
  }

  @Test func `a mask that names more weights than there are is refused`() throws {
    let checkpoint = try PackedCheckpoint(settings: PackedCheckpoint.sparse("sparse-bitmask")) {
      name, rows, columns, random in
      var (parts, values) = PackedCheckpoint.bitmask { $0 / 2 }(name, rows, columns, &random)
      for index in parts.indices where parts[index].name.hasSuffix(".bitmask") { parts[index].bytes[0] = 0xFF }
      return (parts, values)
    }
    defer { checkpoint.remove() }
    #expect {
      _ = try ModelFile.open(checkpoint.folder.path)
    } throws: { error in
      guard case ModelFileError.malformed(_, .tensor(let name, _), .wrongByteCount) = error else { return false }
      return name.hasSuffix("q_proj.compressed")
    }
  }

  @Test func `another threshold than the one that inputs are multiplied apart from is refused`() throws {
    let checkpoint = try PackedCheckpoint(
      settings: #"{"quant_method":"bitsandbytes","load_in_8bit":true,"llm_int8_threshold":4.5}"#,
      pack: PackedCheckpoint.bytes(.int8Rows))
    defer { checkpoint.remove() }
    #expect {
      _ = try ModelFile.open(checkpoint.folder.path)
    } throws: { error in
      guard case ModelFileError.notAModel(_, let reason) = error else { return false }
      return reason.contains("llm_int8_threshold of 4.5 instead of 6")
    }
  }

  @Test func `an unknown method is refused with its name`() throws {
    let checkpoint = try PackedCheckpoint(settings: #"{"quant_method":"quip"}"#, pack: PackedCheckpoint.awq(group: 32))
    defer { checkpoint.remove() }
    #expect {
      _ = try ModelFile.open(checkpoint.folder.path)
    } throws: { error in
      guard case ModelFileError.notAModel(_, let reason) = error else { return false }
      return reason.contains("the method 'quip'")
    }
  }

  private func logits(
    _ file: ModelFile, _ weights: any WeightSource, _ kernels: KernelSet, _ pool: ThreadPool
  ) throws -> [Float] {
    let session = try InferenceSession(
      architecture: file.description.architecture, weights: weights,
      workload: Workload(contextTokens: 16, keyValueFormat: .f32, microBatch: 8), kernels: kernels, pool: pool)
    _ = try session.logits(after: [5, 9, 33, 2, 60])
    return Array(try session.logits(after: [17]))
  }
}
