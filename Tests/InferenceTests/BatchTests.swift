// SPDX-License-Identifier: Apache-2.0
import CostModel
import Inference
import LanguageModel
import ModelFiles
import Testing

@Suite struct BatchTests {
  private let prompts: [[Int32]] = [[3, 17, 95, 0, 42, 42, 8], [61], [5, 77, 13, 5], [9, 9]]

  private func makeSession(
    _ architecture: ModelArchitecture, _ inventory: TensorInventory, sequences: Int, kernels: KernelSet,
    microBatch: Int = 32, format: KeyValueFormat = .f32, _ pool: ThreadPool
  ) throws -> InferenceSession {
    try InferenceSession(
      architecture: architecture, weights: SyntheticWeights(inventory: inventory, seed: 3, pool: pool),
      workload: Workload(
        contextTokens: 48, sequences: sequences, keyValueFormat: format, microBatch: microBatch),
      kernels: kernels, pool: pool)
  }

  /// Sums of up to 512 float products in another order, over two layers; where one token's product takes its input in 8
  /// bits and the blocked one in floats, the rounding of the input (both derived in ForwardPassTests).
  private func bound(_ format: BlockFormat) -> Double { format == .f32 ? 1e-4 : 0.04 }

  private func logits(_ session: InferenceSession, _ inputs: [(Int, [Int32])]) throws -> [[Float]] {
    try session.logits(after: inputs.map { (sequence: $0.0, tokens: $0.1) }).map { Array($0) }
  }

  @Test(arguments: [BlockFormat.f32, .q4_k], [5, 32])
  func `sequences of different lengths run together give what each gives alone`(
    format: BlockFormat, microBatch: Int
  ) throws {
    let architecture = smallArchitecture(window: 5)
    let inventory = smallInventory(architecture, format)
    try withPool(2) { pool in
      for kernels in runnableKernels() {
        let alone = try prompts.map { (prompt: [Int32]) throws -> [[Double]] in
          let single = try makeSession(architecture, inventory, sequences: 1, kernels: kernels, pool)
          let first = try single.logits(after: prompt).map { Double($0) }
          return [first, try single.logits(after: [50]).map { Double($0) }]
        }
        let session = try makeSession(
          architecture, inventory, sequences: 4, kernels: kernels, microBatch: microBatch, pool)
        let first = try logits(session, prompts.indices.map { ($0, prompts[$0]) })
        let second = try logits(session, [2, 0, 3, 1].map { ($0, [50]) })
        for (sequence, place) in [(0, 1), (1, 3), (2, 0), (3, 2)] {
          #expect(relativeDistance(first[sequence], alone[sequence][0]) < bound(format), "\(kernels.name)")
          #expect(relativeDistance(second[place], alone[sequence][1]) < bound(format), "\(kernels.name)")
          #expect(session.length(sequence: sequence) == prompts[sequence].count + 1)
        }
      }
    }
  }

  @Test func `one token of each of several sequences costs no bit where a kernel for a few exists`() throws {
    let architecture = smallArchitecture()
    for format in [BlockFormat.f16, .q4_0, .q6_k] {
      let inventory = smallInventory(architecture, format)
      try withPool(2) { pool in
        for kernels in runnableKernels() where kernels.multipliesFew {
          let together = try makeSession(architecture, inventory, sequences: 3, kernels: kernels, format: .f16, pool)
          let alone = try makeSession(architecture, inventory, sequences: 3, kernels: kernels, format: .f16, pool)
          for token in [4, 8, 15] as [Int32] {
            let all = try logits(together, (0..<3).map { ($0, [token + Int32($0)]) })
            for sequence in 0..<3 {
              let own = Array(try alone.logits(after: [token + Int32(sequence)], sequence: sequence))
              #expect(all[sequence] == own, "\(kernels.name), \(format)")
            }
          }
        }
      }
    }
  }

  @Test func `a copied sequence goes on as the one that it was copied from`() throws {
    let architecture = smallArchitecture()
    let inventory = smallInventory(architecture, .q8_0)
    try withPool(1) { pool in
      let session = try makeSession(architecture, inventory, sequences: 3, kernels: .best, format: .q8_0, pool)
      try session.run(prompts[0], sequence: 1)
      session.copy(sequence: 1, to: 2)
      let first = Array(try session.logits(after: [6], sequence: 1))
      #expect(Array(try session.logits(after: [6], sequence: 2)) == first)
      #expect(session.length(sequence: 2) == 8)
      #expect(session.length(sequence: 0) == 0)
    }
  }

  @Test(arguments: [2, 5])
  func `more prompts than caches give the texts of each prompt alone, whatever fits into a pass`(
    tokensPerPass: Int
  ) throws {
    let path = try Stories.path("stories260K-f32.gguf")
    let file = try ModelFile.open(path)
    let weights = try #require(file.weights)
    let tokenizer = try Tokenizer(try #require(try GGUFMetadata.ofFile(path)), path: path)
    let prompts = ["Once upon a time", "", "Lily and Tom", "The dog was", "One day, a big red ball"].map {
      tokenizer.encode($0, addsSpecial: true, parsesSpecial: true)
    }
    let samplers = prompts.indices.map { Sampler(.init(temperature: $0 == 3 ? 0.7 : 0, seed: UInt64($0))) }
    try withPool(2) { pool in
      func story(_ sequences: Int) throws -> InferenceSession {
        try InferenceSession(
          architecture: file.description.architecture, weights: weights,
          workload: Workload(contextTokens: 40, sequences: sequences, keyValueFormat: .f32), kernels: .best, pool: pool)
      }
      let generator = BatchGenerator(session: try story(2), tokenizer: tokenizer, tokensPerPass: tokensPerPass)
      var order: [Int] = []
      let texts = try generator.generate(
        prompts, count: 30, samplers: samplers, onResult: { index, _ in order.append(index) })
      for (index, prompt) in prompts.enumerated() {
        let alone = TextGenerator(session: try story(1), tokenizer: tokenizer, sampler: samplers[index])
        #expect(try alone.generate(prompt, count: 30) == texts[index])
      }
      #expect(order.sorted() == Array(prompts.indices))
      #expect(throws: LanguageRuntimeError.contextFull(limit: 40)) {
        try generator.generate([[Int32](repeating: 1, count: 41)], count: 1, samplers: [samplers[0]])
      }
    }
  }

  @Test func `an error in one sequence's tokens leaves all as they were`() throws {
    let architecture = smallArchitecture()
    let inventory = smallInventory(architecture, .f16)
    try withPool(1) { pool in
      let session = try makeSession(architecture, inventory, sequences: 2, kernels: .best, pool)
      #expect(throws: LanguageRuntimeError.contextFull(limit: 48)) {
        try session.logits(after: [(0, [1]), (1, [Int32](repeating: 1, count: 49))])
      }
      #expect(session.length(sequence: 0) == 0)
    }
  }

  @Test func `greedy texts of five sequences together are those of each alone`() throws {
    let file = try ModelFile.open(Stories.path("stories260K-f32.gguf"))
    let weights = try #require(file.weights)
    let starts: [[Int32]] = [[1], [1, 403], [1, 410, 300], [1, 310], [1, 265, 400, 261]]
    try withPool(2) { pool in
      for kernels in runnableKernels() {
        func story(_ sequences: Int) throws -> InferenceSession {
          try InferenceSession(
            architecture: file.description.architecture, weights: weights,
            workload: Workload(contextTokens: 64, sequences: sequences, keyValueFormat: .f32), kernels: kernels,
            pool: pool)
        }
        let together = try story(5)
        var texts = starts
        var inputs = starts
        for _ in 0..<50 {
          let all = try logits(together, inputs.indices.map { ($0, inputs[$0]) })
          for sequence in all.indices {
            let token = greatest(all[sequence])
            texts[sequence].append(token)
            inputs[sequence] = [token]
          }
        }
        let single = try story(1)
        for (start, text) in zip(starts, texts) {
          single.truncate()
          var own = start
          var input = start
          for _ in 0..<50 {
            input = [greatest(try single.logits(after: input))]
            own += input
          }
          #expect(text == own, "\(kernels.name)")
        }
      }
    }
  }
}

/// The most likely token.
func greatest(_ logits: some RandomAccessCollection<Float>) -> Int32 {
  Int32(logits.enumerated().max { $0.element < $1.element }?.offset ?? 0)
}
