// SPDX-License-Identifier: Apache-2.0
import CostModel
import Inference
import LanguageModel
import ModelFiles
import Quantities
import Testing

/// Every architecture that runs, against an independent implementation's logits of a small random model.
@Suite struct ArchitectureTests {
  /// Floats on both sides: sums of up to 64 products, about 12 rounded operations a layer and six layers at most, so
  /// 2⁻²⁴ · √64 · √(12 · 6) ≈ 4e-6 of a logits' norm, and as much again for what norms and softmax amplify.
  private let floatBound = 1e-5
  /// The reference takes GELU from a table of half precision: each value is off by 2⁻¹¹ of itself twice (input and
  /// output), so a layer's feed-forward part by at most 2⁻¹⁰ of its norm; layers add up.
  private let tableBound = 1.0 / 1024
  /// The reference rounds activations to 8 bits for mxfp4: 0.7 % a product, as in the forward pass's own tests; three
  /// products a layer, two layers.
  private let int8Bound = 0.04

  /// And to half precision for f16: 2⁻¹¹ a product, seven products a layer, two layers.
  private let halfBound = 14.0 / 2048

  private func bound(_ architecture: ModelArchitecture, _ inventory: TensorInventory) -> Double {
    if inventory.tensors.contains(where: { $0.format == .block(.mxfp4) }) { return int8Bound }
    if inventory.tensors.contains(where: { $0.format == .block(.f16) }) { return halfBound }
    let isFromTable = [.gelu, .geluTanh].contains(architecture.forward.activation)
    return isFromTable ? Double(architecture.layers.count) * tableBound : floatBound
  }

  private func session(
    _ file: ModelFile, _ pool: ThreadPool, _ kernels: KernelSet, format: KeyValueFormat = .f32, microBatch: Int = 32
  ) throws -> InferenceSession {
    try InferenceSession(
      architecture: file.description.architecture, weights: try #require(file.weights),
      workload: Workload(contextTokens: 256, keyValueFormat: format, microBatch: microBatch), kernels: kernels,
      pool: pool)
  }

  @Test(arguments: GoldenModel.names(.architectures))
  func `logits after a prompt and while decoding equal the reference's on every kernel set`(name: String) throws {
    let golden = try GoldenModel(name)
    let folder = try TemporaryFolder()
    let file = try golden.open(in: folder)
    let limit = bound(file.description.architecture, file.description.inventory)
    try withPool(2) { pool in
      for kernels in runnableKernels() {
        let session = try session(file, pool, kernels)
        for (index, expected) in golden.logits.enumerated() {
          let tokens = index == 0 ? golden.prompt : [golden.steps[index - 1]]
          let distance = relativeDistance(try session.logits(after: tokens), expected)
          #expect(distance < limit, "\(kernels.name), step \(index)")
        }
      }
    }
  }

  @Test(arguments: ["gemma-2", "gemma-3", "gpt-oss", "olmo3", "command-r7b"], [1, 3])
  func `logits equal the reference's where windows have left the prompt's beginning behind`(
    name: String, microBatch: Int
  ) throws {
    let golden = try GoldenModel(name)
    let folder = try TemporaryFolder()
    let file = try golden.open(in: folder)
    let limit = bound(file.description.architecture, file.description.inventory)
    try withPool(2) { pool in
      let session = try session(file, pool, .best, microBatch: microBatch)
      // A window of four, and a pass.
      #expect(session.plan.cache.layers.contains { $0.rows == 3 + microBatch })
      for (index, expected) in golden.logits.enumerated() {
        let tokens = index == 0 ? golden.prompt : [golden.steps[index - 1]]
        let distance = relativeDistance(try session.logits(after: tokens), expected)
        #expect(distance < limit, "step \(index)")
      }
    }
  }

  @Test(arguments: GoldenModel.names(.architectures))
  func `one token at a time gives what a prompt in one go gives`(name: String) throws {
    let golden = try GoldenModel(name)
    let folder = try TemporaryFolder()
    let file = try golden.open(in: folder)
    try withPool(1) { pool in
      let together = try session(file, pool, .best)
      let single = try session(file, pool, .best)
      let expected = try together.logits(after: golden.prompt).map(Double.init)
      for token in golden.prompt.dropLast() { try single.run([token]) }
      let last = try #require(golden.prompt.last)
      #expect(relativeDistance(try single.logits(after: [last]), expected) < floatBound)
    }
  }

  @Test(arguments: GoldenModel.names(.architectures))
  func `the plan counts what the runtime allocates`(name: String) throws {
    let golden = try GoldenModel(name)
    let folder = try TemporaryFolder()
    let file = try golden.open(in: folder)
    try withPool(2) { pool in
      let session = try session(file, pool, .best, format: .f16)
      let plan = session.plan
      #expect(session.allocatedWithoutWeights == plan.total - plan.bytes(.weights))
      #expect(RuntimeSupport.runs(file.description.architecture))
    }
  }

  /// The reference computes checkpoints in 64 bits, without tables.
  @Test(arguments: GoldenModel.names(.checkpoints))
  func `a checkpoint's logits equal those of its own modelling code`(name: String) throws {
    let golden = try GoldenModel(name, .checkpoints)
    let folder = try TemporaryFolder()
    let file = try golden.openCheckpoint(in: folder)
    try withPool(1) { pool in
      // The modelling code scales by the tokens at hand, the runtime by its context: both are short.
      let session = try InferenceSession(
        architecture: file.description.architecture, weights: try #require(file.weights),
        workload: Workload(contextTokens: 32, keyValueFormat: .f32), kernels: .best, pool: pool)
      for (index, expected) in golden.logits.enumerated() {
        let tokens = index == 0 ? golden.prompt : [golden.steps[index - 1]]
        let distance = relativeDistance(try session.logits(after: tokens), expected)
        #expect(distance < floatBound, "step \(index)")
      }
    }
  }
}
