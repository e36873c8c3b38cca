// SPDX-License-Identifier: Apache-2.0
import CKernels
import CostModel
import Inference
import LanguageModel
import ModelFiles
import Quantities
import Testing

@Suite struct ForwardPassTests {
  private let tokens: [Int32] = [3, 17, 95, 0, 42, 42, 8, 61, 5, 77, 13]

  /// Floats against doubles: a chain of L layers with sums of up to 512 products each; 2⁻²⁴ · √512 · (7 · L + 2)
  /// operations ≈ 2e-5 for two layers, with head-room for the norms' amplification.
  private let floatBound = 1e-4
  /// Activations in 8 bits: half a step in 127 of the largest of a block, relative to the root mean square (the
  /// largest of 256 normal numbers is about 3 of them): 3 / 254 / √3 ≈ 0.7 % per product, seven products a layer.
  private let int8Bound = 0.04

  /// Long prompts in 16 bits: on either side elements are off by 1 / √12 of a step of ‖·‖ / 32,767, a product of 256
  /// columns by √2 · 16 / √12 / 32,767 ≈ 2e-4 of its size; fifteen products in a chain, and head-room for the norms.
  private let wordBound = 15.0.squareRoot() * 2e-4 * 2

  /// The worst distance of each kernel set's logits from the twin's, token by token or after the whole prompt.
  private func distances(
    _ architecture: ModelArchitecture, _ inventory: TensorInventory, keyValueFormat: KeyValueFormat = .f32,
    threads: Int = 1, isPrefill: Bool = false
  ) throws -> [(name: KernelSet.Name, distance: Double)] {
    try withPool(threads) { pool in
      let weights = try SyntheticWeights(inventory: inventory, seed: 3, pool: pool)
      var twin = NaiveTwin(architecture: architecture, weights: weights)
      let expected = tokens.map { twin.logits(after: $0) }
      return try runnableKernels().map { kernels in
        let session = try InferenceSession(
          architecture: architecture, weights: weights,
          workload: Workload(contextTokens: 64, keyValueFormat: keyValueFormat, microBatch: 7), kernels: kernels,
          pool: pool)
        if isPrefill {
          return (kernels.name, relativeDistance(try session.logits(after: tokens), expected[tokens.count - 1]))
        }
        let distances = try tokens.enumerated().map { index, token in
          relativeDistance(try session.logits(after: [token]), expected[index])
        }
        return (kernels.name, distances.max() ?? .infinity)
      }
    }
  }

  @Test(arguments: [("llama", RopeRules.Pairing.neighbours), ("qwen2", .halves)])
  func `decoding equals the naive twin for every kernel set`(
    type: String, pairing: RopeRules.Pairing
  ) throws {
    let architecture = smallArchitecture(type, pairing: pairing, isTied: type == "qwen2")
    let inventory = smallInventory(architecture, .f32, hasBiases: type == "qwen2")
    for (name, distance) in try distances(architecture, inventory) { #expect(distance < floatBound, "\(name)") }
  }

  @Test(arguments: [BlockFormat.f32, .f16, .q4_0, .q5_k])
  func `a prompt in one go equals the naive twin, also across micro-batches`(format: BlockFormat) throws {
    let architecture = smallArchitecture()
    let inventory = smallInventory(architecture, format)
    for (name, distance) in try distances(architecture, inventory, threads: 2, isPrefill: true) {
      #expect(distance < bound(format), "\(name)")
    }
  }

  @Test(arguments: [BlockFormat.f16, .bf16, .f32, .iq2_xs, .q5_k, .q8_k])
  func `a long prompt equals the naive twin, of panels as of rows in the file's order`(format: BlockFormat) throws {
    let architecture = smallArchitecture()
    let long = (0..<40).map { Int32($0 * 37 % 96) }
    try withPool(2) { pool in
      let weights = try SyntheticWeights(inventory: smallInventory(architecture, format), seed: 3, pool: pool)
      var twin = NaiveTwin(architecture: architecture, weights: weights)
      let expected = long.map { twin.logits(after: $0) }
      for kernels in runnableKernels().flatMap({ [$0, $0.withoutRepacking] }) {
        let session = try InferenceSession(
          architecture: architecture, weights: weights, workload: Workload(contextTokens: 64, keyValueFormat: .f32),
          kernels: kernels, pool: pool)
        let distance = relativeDistance(try session.logits(after: long), expected[39])
        // 16-bit floats in products, and in the attention of every format: 2⁻⁸ / √3 a rounding (`TilePassTests`).
        let hasTiles = KernelSet.best.name == .amx && [.amx, .openblas].contains(kernels.name)
        let limit = max(bound(format), format == .f32 ? 0 : wordBound, hasTiles ? 0.02 : 0)
        #expect(distance < limit, "\(kernels.name), \(kernels.repacks)")
      }
    }
  }

  @Test(arguments: [false, true])
  func `a sliding window hides what lies before it`(isPrefill: Bool) throws {
    let architecture = smallArchitecture("mistral", window: 3)
    let inventory = smallInventory(architecture, .f32)
    for (name, distance) in try distances(architecture, inventory, isPrefill: isPrefill) {
      #expect(distance < floatBound, "\(name)")
    }
  }

  @Test(arguments: [KeyValueFormat.f16, .q8_0])
  func `a cache of fewer bits costs no more than its rounding`(format: KeyValueFormat) throws {
    let architecture = smallArchitecture()
    let inventory = smallInventory(architecture, .f32)
    for (name, distance) in try distances(architecture, inventory, keyValueFormat: format) {
      // Half precision rounds by 2⁻¹²; an 8-bit block by half a step in 127 of its largest.
      #expect(distance < (format == .f16 ? 2e-3 : 0.02), "\(name)")
      #expect(distance > 0)
    }
  }

  @Test(arguments: BlockFormat.allCases.filter { ![.f64, .i8, .i16, .i32, .i64].contains($0) })
  func `every type decodes through the runtime`(format: BlockFormat) throws {
    let architecture = smallArchitecture(layers: 1)
    let inventory = smallInventory(architecture, format)
    for (name, distance) in try distances(architecture, inventory) { #expect(distance < bound(format), "\(name)") }
  }

  @Test(arguments: [BlockFormat.q4_0, .q6_k, .f16])
  func `rows that fill no panel are multiplied where they lie`(format: BlockFormat) throws {
    for isTied in [false, true] {
      var architecture = smallArchitecture(layers: 1, isTied: isTied)
      architecture.vocabularySize = 103
      let inventory = smallInventory(architecture, format)
      for isPrefill in [false, true] {
        for (name, distance) in try distances(architecture, inventory, threads: 2, isPrefill: isPrefill) {
          #expect(distance < bound(format), "\(name)")
        }
      }
    }
  }

  @Test(arguments: BlockFormat.allCases.filter { ck_has_panels(Int32($0.ggufType)) != 0 })
  func `weights made interleaved give the logits of the same weights repacked`(format: BlockFormat) throws {
    let architecture = smallArchitecture(layers: 1)
    let inventory = smallInventory(architecture, format)
    try withPool(2) { pool in
      let kernels = KernelSet.best
      let made = try SyntheticWeights(inventory: inventory, kernels: kernels, pool: pool)
      let asRows = RowsOfPanels(made)
      let logits = try [made, asRows].map { (weights: any WeightSource) in
        let session = try InferenceSession(
          architecture: architecture, weights: weights, workload: Workload(contextTokens: 32), kernels: kernels,
          pool: pool)
        return Array(try session.logits(after: tokens)) + Array(try session.logits(after: [7]))
      }
      #expect(logits[0] == logits[1])
      #expect(logits[0].allSatisfy { $0.isFinite })
    }
  }

  @Test func `without repacking the weights stay where they are`() throws {
    let architecture = smallArchitecture()
    let inventory = smallInventory(architecture, .q4_k)
    try withPool(1) { pool in
      let weights = try SyntheticWeights(inventory: inventory, seed: 3, pool: pool)
      var twin = NaiveTwin(architecture: architecture, weights: weights)
      let expected = twin.logits(after: 5)
      let session = try InferenceSession(
        architecture: architecture, weights: weights, workload: Workload(contextTokens: 8),
        kernels: KernelSet.best.withoutRepacking, pool: pool)
      #expect(session.repackedBytes == .zero)
      let distance = relativeDistance(try session.logits(after: [5]), expected)
      #expect(distance < int8Bound)
    }
  }

  /// Inputs of formats with panels or integer kernels are in 8 bits.
  private func bound(_ format: BlockFormat) -> Double {
    let type = Int32(format.ggufType)
    return ck_has_panels(type) != 0 && ck_panel_input(type) == CK_INPUT_RECORDS ? int8Bound : floatBound
  }

  @Test func `any number of threads gives the same logits, bit for bit`() throws {
    let architecture = smallArchitecture()
    let inventory = smallInventory(architecture, .q4_k)
    for kernels in runnableKernels() {
      let runs = try (1...3).map { threads in
        try withPool(threads) { pool in
          let weights = try SyntheticWeights(inventory: inventory, seed: 3, pool: pool)
          let session = try InferenceSession(
            architecture: architecture, weights: weights, workload: Workload(contextTokens: 64), kernels: kernels,
            pool: pool)
          let prefill = Array(try session.logits(after: tokens))
          return prefill + Array(try session.logits(after: [9]))
        }
      }
      #expect(runs[1] == runs[0] && runs[2] == runs[0], "\(kernels.name)")
    }
  }

  @Test func `sequences do not see each other`() throws {
    let architecture = smallArchitecture()
    let inventory = smallInventory(architecture, .f32)
    try withPool(2) { pool in
      let weights = try SyntheticWeights(inventory: inventory, pool: pool)
      let session = try InferenceSession(
        architecture: architecture, weights: weights, workload: Workload(contextTokens: 32, sequences: 2),
        kernels: .best, pool: pool)
      let alone = Array(try session.logits(after: tokens, sequence: 0))
      try session.run([1, 2, 3], sequence: 1)
      session.truncate(sequence: 0)
      try session.run(Array(tokens.dropLast()), sequence: 0)
      try session.run([4, 5], sequence: 1)
      session.truncate(to: 0, sequence: 0)
      #expect(Array(try session.logits(after: tokens, sequence: 0)) == alone)
      #expect(session.length(sequence: 1) == 5)
    }
  }

  /// Heads of 64 begin at panels, heads of 8 do not; either way the rows of one matrix are told apart.
  @Test(arguments: [4, 32], [BlockFormat.f32, .q8_0, .q4_k])
  func `queries, keys and values in one matrix give the same logits in interleaved rows`(
    heads: Int, format: BlockFormat
  ) throws {
    let architecture = smallArchitecture("phi3", heads: heads, keyValueHeads: 2, pairing: .halves)
    let inventory = fused(smallInventory(architecture, format))
    let workload = Workload(contextTokens: 32, keyValueFormat: .f32, microBatch: 8)
    try withPool(2) { pool in
      let weights = try SyntheticWeights(inventory: inventory, seed: 5, pool: pool)
      func logits(_ kernels: KernelSet, _ tokens: [Int32]) throws -> [Float] {
        let session = try InferenceSession(
          architecture: architecture, weights: weights, workload: workload, kernels: kernels, pool: pool)
        return Array(try session.logits(after: tokens))
      }
      let plain = try KernelSet(.portable)
      #expect(!plain.interleaves(Int32(format.ggufType)))
      for tokens in [[7], [1, 2, 3, 4, 5]] as [[Int32]] {
        let expected = try logits(plain, tokens).map(Double.init)
        // 8-bit inputs err by half a step of 1/127 of a block's largest, over two layers of six products.
        let bound = format == .f32 ? 1e-5 : 0.05
        #expect(relativeDistance(try logits(.best, tokens), expected) < bound)
      }
    }
  }

  private func fused(_ inventory: TensorInventory) -> TensorInventory {
    func rows(_ roles: [TensorRole], _ layer: Int16) -> Int {
      inventory.tensors.reduce(0) { $0 + (roles.contains($1.role) && $1.layer == layer ? Int($1.rows) : 0) }
    }
    let pairs: [TensorRole: (TensorRole, [TensorRole])] = [
      .attentionQuery: (.attentionQKV, [.attentionQuery, .attentionKey, .attentionValue]),
      .feedForwardUp: (.feedForwardUp, [.feedForwardGate, .feedForwardUp]),
    ]
    let dropped: Set<TensorRole> = [.attentionKey, .attentionValue, .feedForwardGate]
    return TensorInventory(
      tensors: inventory.tensors.filter { !dropped.contains($0.role) }.map { tensor in
        guard let (role, roles) = pairs[tensor.role] else { return tensor }
        return TensorDescription(
          role, layer: Int(tensor.layer), rows: rows(roles, tensor.layer), columns: Int(tensor.columns),
          format: tensor.format)
      })
  }
}

@Suite struct RuntimeMemoryTests {
  @Test(arguments: [(1, KeyValueFormat.f16), (2, .q8_0), (3, .f32)])
  func `the runtime allocates exactly what the plan says`(threads: Int, format: KeyValueFormat) throws {
    for (heads, window) in [(2, nil), (4, 20), (8, 90)] as [(Int, Int?)] {
      let architecture = smallArchitecture(heads: heads, keyValueHeads: 2, window: window)
      let inventory = smallInventory(architecture, .q8_0, hasBiases: true)
      let workload = Workload(contextTokens: 100, sequences: threads, keyValueFormat: format, microBatch: 32)
      try withPool(threads) { pool in
        let weights = try SyntheticWeights(inventory: inventory, kernels: .best, pool: pool)
        let session = try InferenceSession(
          architecture: architecture, weights: weights, workload: workload, kernels: .best, pool: pool)
        let plan = RuntimeMemoryPlan(
          architecture: architecture, inventory: inventory, workload: workload, threads: threads)
        #expect(weights.allocated == plan.bytes(.weights))
        #expect(weights.allocated + session.allocatedWithoutWeights == plan.total)
        #expect(session.repackedBytes == .zero)
        // A copy in another order takes what the matrices take that it stands for.
        let file = try SyntheticWeights(inventory: inventory, pool: pool)
        let copied = try InferenceSession(
          architecture: architecture, weights: file, workload: workload, kernels: .best, pool: pool)
        let matrices = inventory.tensors.filter { !$0.isVector && $0.role != .tokenEmbedding }
        let bytes = matrices.reduce(ByteCount.zero) { $0 + $1.bytes.aligned(to: RuntimeMemoryPlan.tensorAlignment) }
        #expect(copied.repackedBytes == (KernelSet.best.interleaves(Int32(BlockFormat.q8_0.ggufType)) ? bytes : .zero))
      }
    }
  }

  @Test func `the cache of TinyLlama at 4096 tokens is 88 MiB in halves and 46.75 MiB in q8_0`() {
    // Measured by llama.cpp for 22 layers of 4 KV heads of 64.
    let attention = Attention(heads: 32, keyValueHeads: 4, keyWidth: 64, valueWidth: 64)
    let layer = LayerDescription(mixers: [.attention(attention)], feedForward: FeedForward(width: 5632))
    let architecture = ModelArchitecture(
      modelType: "llama", vocabularySize: 32_000, hiddenSize: 2048, contextLength: 2048,
      layers: Array(repeating: layer, count: 22), hasTiedEmbeddings: false)
    func cache(_ format: KeyValueFormat) -> ByteCount {
      let plan = RuntimeMemoryPlan(
        architecture: architecture, inventory: TensorInventory(tensors: []),
        workload: Workload(contextTokens: 4096, keyValueFormat: format), threads: 2)
      return plan.bytes(.keys) + plan.bytes(.values)
    }
    #expect(cache(.f16) == .mebibytes(88))
    #expect(cache(.q8_0) == .mebibytes(46.75))
  }

  @Test func `the plan's constants are those of the kernels`() throws {
    for kernels in runnableKernels() { #expect(kernels.planConstantsHold, "\(kernels.name)") }
  }

  @Test func `what does not run is refused before anything is allocated`() throws {
    try withPool(1) { pool in
      let architecture = smallArchitecture("mamba")
      let weights = try SyntheticWeights(inventory: smallInventory(architecture, .f32), pool: pool)
      #expect(throws: LanguageRuntimeError.self) {
        try InferenceSession(
          architecture: architecture, weights: weights, workload: Workload(), kernels: .best, pool: pool)
      }
    }
  }

  @Test func `a matrix in a vector's place is refused by name`() throws {
    try withPool(1) { pool in
      let architecture = smallArchitecture()
      var inventory = smallInventory(architecture, .f32)
      let index = try #require(inventory.tensors.firstIndex { $0.role == .feedForwardNorm })
      inventory.tensors[index] = TensorDescription(
        .feedForwardNorm, layer: 0, rows: 2, columns: 128, format: .block(.f32))
      let weights = try SyntheticWeights(inventory: inventory, pool: pool)
      #expect(
        throws: LanguageRuntimeError.wrongShape(
          tensor: "blk.0.ffn_norm.weight", expected: "a vector of 256", found: "2 × 128")
      ) {
        try InferenceSession(
          architecture: architecture, weights: weights, workload: Workload(contextTokens: 8), kernels: .best,
          pool: pool)
      }
    }
  }

  @Test func `a step that the pass lacks is refused with its key`() throws {
    try withPool(1) { pool in
      var architecture = smallArchitecture()
      architecture.forward.lacking = "its configuration normalises queries and keys ('qk_ln')"
      let weights = try SyntheticWeights(inventory: smallInventory(architecture, .f32), pool: pool)
      #expect(!RuntimeSupport.runs(architecture))
      #expect {
        try InferenceSession(
          architecture: architecture, weights: weights, workload: Workload(contextTokens: 8), kernels: .best,
          pool: pool)
      } throws: { error in
        guard case LanguageRuntimeError.unsupportedArchitecture(_, let reason) = error else { return false }
        return reason.contains("'qk_ln'")
      }
    }
  }

  @Test func `a full context and a foreign token are refused with their figures`() throws {
    try withPool(1) { pool in
      let architecture = smallArchitecture()
      let weights = try SyntheticWeights(inventory: smallInventory(architecture, .f16), pool: pool)
      let session = try InferenceSession(
        architecture: architecture, weights: weights, workload: Workload(contextTokens: 4), kernels: .best, pool: pool)
      #expect(throws: LanguageRuntimeError.contextFull(limit: 4)) { try session.run([1, 2, 3, 4, 5]) }
      #expect(throws: LanguageRuntimeError.tokenOutOfRange(token: 96, vocabulary: 96)) { try session.run([96]) }
    }
  }
}
