// SPDX-License-Identifier: Apache-2.0
import CostModel
import Foundation
import LanguageModel
import ModelFiles
import Testing

@testable import Inference

/// Caches of a window's size against caches that keep every position.
@Suite struct WindowTests {
  private static let context = 96
  private let prompt = (0..<61).map { Int32($0 * 13 % 96) }

  /// A layer with a window, and one that sees all.
  private func architecture(window: Int) -> ModelArchitecture {
    var architecture = smallArchitecture("mistral", window: window)
    architecture.layers[1] = smallArchitecture().layers[1]
    return architecture
  }

  /// - Parameter microBatch: of the whole context every position has a row.
  private func session(
    _ pool: ThreadPool, window: Int = 5, microBatch: Int = context, sequences: Int = 1,
    format: KeyValueFormat = .f16, context: Int = context, kernels: KernelSet = .best
  ) throws -> InferenceSession {
    let architecture = architecture(window: window)
    let session = try InferenceSession(
      architecture: architecture,
      weights: SyntheticWeights(inventory: smallInventory(architecture, .q8_0), seed: 3, pool: pool),
      workload: Workload(
        contextTokens: context, sequences: sequences, keyValueFormat: format, microBatch: microBatch),
      kernels: kernels, pool: pool)
    #expect(session.plan.cache.layers.map(\.rows) == [min(context, window - 1 + microBatch), context])
    return session
  }

  private func pieces(_ tokens: [Int32], of size: Int) -> [[Int32]] {
    stride(from: 0, to: tokens.count, by: size).map { Array(tokens[$0..<min($0 + size, tokens.count)]) }
  }

  @Test(arguments: [(5, 1), (5, 3), (5, 16), (20, 7), (1, 4)], [KeyValueFormat.f16, .q8_0])
  func `prompts of several windows have the bits of a cache of every position`(
    size: (window: Int, microBatch: Int), format: KeyValueFormat
  ) throws {
    try withPool(2) { pool in
      for kernels in runnableKernels() where [.portable, KernelSet.best.name].contains(kernels.name) {
        let small = try session(
          pool, window: size.window, microBatch: size.microBatch, format: format, kernels: kernels)
        let whole = try session(pool, window: size.window, format: format, kernels: kernels)
        let end = Array(try small.logits(after: prompt))
        var expected: [Float] = []
        for piece in pieces(prompt, of: size.microBatch) { expected = Array(try whole.logits(after: piece)) }
        #expect(end == expected, "\(kernels.name)")
        for token in prompt.prefix(30) {
          let next = Array(try small.logits(after: [token]))
          #expect(next == Array(try whole.logits(after: [token])), "\(kernels.name), \(small.length())")
        }
      }
    }
  }

  @Test func `sequences that run together slide each for itself`() throws {
    try withPool(2) { pool in
      let small = try session(pool, microBatch: 6, sequences: 3)
      let whole = try session(pool, sequences: 3)
      // Uneven steps: the windows are full at different passes.
      for step in 0..<14 {
        let inputs = (0..<3).map { sequence in
          (sequence: sequence, tokens: Array(prompt[(step * 3 + sequence)...].prefix(1 + (step + sequence) % 3)))
        }
        let all = try small.logits(after: inputs).map { Array($0) }
        let expected = try whole.logits(after: inputs).map { Array($0) }
        #expect(all == expected, "step \(step)")
      }
      #expect(small.transformer.cache.first(0, 0) > 0)
      small.copy(sequence: 1, to: 2)
      whole.copy(sequence: 1, to: 2)
      let next = Array(try small.logits(after: [7], sequence: 2))
      #expect(next == Array(try whole.logits(after: [7], sequence: 2)))
    }
  }

  @Test func `a sequence goes back as far as its rows reach, and to the start otherwise`() throws {
    try withPool(1) { pool in
      let small = try session(pool, microBatch: 8)
      let whole = try session(pool)
      for piece in pieces(prompt, of: 8) { for one in [small, whole] { try one.run(piece) } }
      for token in prompt.prefix(9) { for one in [small, whole] { try one.run([token]) } }
      let first = small.transformer.cache.first(0, 0)
      #expect(first > 0)
      // The last pass's token can go in any case.
      #expect(first <= 69 - 4)
      for length in [69, first + 4] {
        #expect(small.truncate(to: length) == length)
        whole.truncate(to: length)
        let next = Array(try small.logits(after: [3, 1]))
        #expect(next == Array(try whole.logits(after: [3, 1])))
      }
      #expect(small.truncate(to: small.transformer.cache.first(0, 0) + 3) == 0)
      whole.truncate()
      let again = Array(try small.logits(after: Array(prompt.prefix(8))))
      #expect(again == Array(try whole.logits(after: Array(prompt.prefix(8)))))
      #expect(small.reuse(Array(prompt.prefix(6)) + [90, 91]) == 6)
    }
  }

  @Test(arguments: [8, 40])
  func `a file holds the rows that are left, for caches of any size`(microBatch: Int) throws {
    let path = NSTemporaryDirectory() + "window-\(UUID().uuidString).cache"
    defer { try? FileManager.default.removeItem(atPath: path) }
    try withPool(1) { pool in
      let first = try session(pool, microBatch: 8)
      for token in prompt { try first.run([token]) }
      #expect(first.transformer.cache.first(0, 0) > 0)
      try first.saveCache(to: path)
      let expected = Array(try first.logits(after: [7]))
      let second = try session(pool, microBatch: microBatch)
      try second.loadCache(from: path)
      #expect(second.reuse(prompt + [7]) == prompt.count)
      #expect(Array(try second.logits(after: [7])) == expected)
      // The window of an earlier position is not in the file.
      let short = try session(pool, microBatch: 8, context: 30)
      try short.loadCache(from: path)
      #expect(short.length() == 0)
      #expect(second.reuse(Array(prompt.prefix(20))) == 0)
    }
  }

  @Test func `a file of an earlier version is refused with both versions`() throws {
    let path = NSTemporaryDirectory() + "version-\(UUID().uuidString).cache"
    defer { try? FileManager.default.removeItem(atPath: path) }
    try withPool(1) { pool in
      let session = try session(pool)
      try session.run(prompt)
      try session.saveCache(to: path)
      var data = try Data(contentsOf: URL(fileURLWithPath: path))
      let key = try #require(data.range(of: Data("prompt-cache.version".utf8)))
      // Behind the key the value's type, then the value, of four bytes each.
      #expect(data[key.upperBound + 4] == 2)
      data[key.upperBound + 4] = 1
      try data.write(to: URL(fileURLWithPath: path))
      #expect(throws: PromptCacheError.otherVersion(path: path, found: 1, known: 2)) {
        try session.loadCache(from: path)
      }
      #expect(session.length() == prompt.count)
    }
  }

  @Test func `a file whose rows begin elsewhere is refused`() throws {
    let path = NSTemporaryDirectory() + "firsts-\(UUID().uuidString).cache"
    defer { try? FileManager.default.removeItem(atPath: path) }
    try withPool(1) { pool in
      let session = try session(pool, microBatch: 8)
      try session.run(prompt)
      let first = session.transformer.cache.first(0, 0)
      // A layer without a window that lacks its beginning, and a window with a hole.
      for (layer, wrong) in [(1, 3), (0, 60)] {
        session.transformer.cache.set(first: wrong, layer, 0)
        try session.saveCache(to: path)
        session.transformer.cache.set(first: layer == 0 ? first : 0, layer, 0)
        #expect { try session.loadCache(from: path) } throws: { error in
          if case PromptCacheError.damaged = error { true } else { false }
        }
      }
    }
  }
}

/// Texts of the trained model with windows that it was not trained with: what counts is that they are the same.
@Suite struct WindowedTextTests {
  private static let window = 9

  private func story() throws -> (architecture: ModelArchitecture, weights: any WeightSource, tokenizer: Tokenizer) {
    let path = try Stories.path("stories260K-f32.gguf")
    let file = try ModelFile.open(path)
    var architecture = file.description.architecture
    for index in architecture.layers.indices where index % 2 == 0 {
      guard case .attention(var shape)? = architecture.layers[index].mixers.first else { continue }
      shape.window = Self.window
      architecture.layers[index].mixers = [.attention(shape)]
    }
    return (
      architecture, try #require(file.weights), try Tokenizer(try #require(file.metadata), path: path)
    )
  }

  private func session(
    sequences: Int = 1, microBatch: Int, draftTokens: Int = 0, layers: Int = .max, _ pool: ThreadPool
  ) throws -> InferenceSession {
    var (architecture, weights, _) = try story()
    architecture.layers = Array(architecture.layers.prefix(layers))
    var workload = Workload(
      contextTokens: 128, sequences: sequences, keyValueFormat: .f32, microBatch: microBatch)
    workload.draftTokens = draftTokens
    return try InferenceSession(
      architecture: architecture, weights: weights, workload: workload, kernels: .best, pool: pool)
  }

  @Test func `rejected drafts are forgotten though windows slide`() throws {
    let (_, _, tokenizer) = try story()
    let prompt = tokenizer.encode("Once upon a time", addsSpecial: true, parsesSpecial: true)
    let greedy = Sampler(.init(temperature: 0))
    try withPool(1) { pool in
      let plain = try TextGenerator(
        session: try session(microBatch: 128, pool), tokenizer: tokenizer, sampler: greedy
      ).generate(prompt, count: 100)
      for source in [Drafter.Source.model(try session(microBatch: 8, layers: 3, pool)), .lookup] {
        let target = try session(microBatch: 8, draftTokens: 3, pool)
        let drafted = try TextGenerator(
          session: target, tokenizer: tokenizer, sampler: greedy, drafter: Drafter(source, count: 3)
        ).generate(prompt, count: 100)
        #expect(drafted.tokens == plain.tokens)
        #expect(target.transformer.cache.first(0, 0) > 0)
        let drafting = try #require(drafted.drafting)
        #expect(drafting.judged > drafting.accepted, "some were rejected")
      }
    }
  }

  @Test func `texts that take over each other's caches are those of each alone`() throws {
    let (_, _, tokenizer) = try story()
    let beginning = "Once upon a time there was a little girl who lived in a big house with her mom and a small dog. "
    let prompts = ["She", "The dog", "One day,", "Her mom", "It was"].map {
      tokenizer.encode(beginning + $0, addsSpecial: true, parsesSpecial: true)
    }
    let samplers = prompts.map { _ in Sampler(.init(temperature: 0)) }
    try withPool(1) { pool in
      let texts = try BatchGenerator(session: try session(sequences: 2, microBatch: 16, pool), tokenizer: tokenizer)
        .generate(prompts, count: 40, samplers: samplers)
      for (index, prompt) in prompts.enumerated() {
        let alone = try TextGenerator(
          session: try session(microBatch: 128, pool), tokenizer: tokenizer, sampler: samplers[index]
        ).generate(prompt, count: 40)
        #expect(texts[index].tokens == alone.tokens, "\(index)")
      }
    }
  }
}
