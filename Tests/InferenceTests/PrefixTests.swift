// SPDX-License-Identifier: Apache-2.0
import CostModel
import Foundation
import LanguageModel
import ModelFiles
import Testing

@testable import Inference

@Suite struct PrefixTests {
  private static let prompt = (0..<45).map { Int32($0 * 11 % 96) }

  private func session(
    _ pool: ThreadPool, _ format: KeyValueFormat = .f16, seed: UInt64 = 3, context: Int = 64
  ) throws -> InferenceSession {
    let architecture = smallArchitecture()
    return try InferenceSession(
      architecture: architecture,
      weights: SyntheticWeights(inventory: smallInventory(architecture, .q8_0), seed: seed, pool: pool),
      workload: Workload(contextTokens: context, keyValueFormat: format), kernels: .best,
      pool: pool)
  }

  private func withFile<Result>(_ body: (String) throws -> Result) throws -> Result {
    let path = NSTemporaryDirectory() + "prefix-\(UUID().uuidString).cache"
    defer { try? FileManager.default.removeItem(atPath: path) }
    return try body(path)
  }

  @Test(arguments: [KeyValueFormat.f16, .q8_0, .f32])
  func `a cache from a file goes on with the bits of the session that wrote it`(format: KeyValueFormat) throws {
    try withPool(2) { pool in
      try withFile { path in
        let first = try session(pool, format)
        try first.run(Self.prompt)
        try first.saveCache(to: path)
        let expected = Array(try first.logits(after: [7, 8]))
        let second = try session(pool, format)
        try second.loadCache(from: path)
        #expect(second.reuse(Self.prompt + [7, 8]) == Self.prompt.count)
        #expect(Array(try second.logits(after: [7, 8])) == expected)
        #expect(!FileManager.default.fileExists(atPath: path + ".partial"))
      }
    }
  }

  @Test func `a shorter context takes the beginning, and another text what it has in common`() throws {
    try withPool(1) { pool in
      try withFile { path in
        let first = try session(pool)
        try first.run(Self.prompt)
        try first.saveCache(to: path)
        let short = try session(pool, context: 20)
        try short.loadCache(from: path)
        #expect(short.length() == 20)
        var other = Self.prompt
        other[12] = 95
        #expect(short.reuse(other) == 12)
        // The last token runs in any case: its logits are wanted.
        try short.loadCache(from: path)
        #expect(short.reuse(Array(Self.prompt.prefix(9))) == 8)
      }
    }
  }

  @Test func `a file of other weights, another format or another kind, or damaged, is refused and changes nothing`()
    throws
  {
    try withPool(1) { pool in
      try withFile { path in
        let first = try session(pool)
        try first.run(Self.prompt)
        try first.saveCache(to: path)
        let whole = try Data(contentsOf: URL(fileURLWithPath: path))
        let others = [try session(pool, seed: 4), try session(pool, .f32)]
        for other in others {
          #expect { try other.loadCache(from: path) } throws: { error in
            if case PromptCacheError.foreign = error { true } else { false }
          }
        }
        let victim = try session(pool)
        try victim.run([1, 2])
        // A byte of each region: tokens, keys and values; and files that end early.
        for place in [whole.count - 40_000, whole.count - 9, whole.count / 2] {
          var damaged = whole
          damaged[place] ^= 0x40
          try damaged.write(to: URL(fileURLWithPath: path))
          #expect(throws: PromptCacheError.self) { try victim.loadCache(from: path) }
        }
        for length in [0, 3, 30, 200, whole.count - 100] {
          try whole.prefix(length).write(to: URL(fileURLWithPath: path))
          #expect(throws: PromptCacheError.self) { try victim.loadCache(from: path) }
        }
        #expect(throws: PromptCacheError.self) { try victim.loadCache(from: Stories.path("stories260K-f32.gguf")) }
        #expect(victim.histories[0] == [1, 2])
      }
    }
  }

  @Test func `prompts that begin alike run their beginning once, and their texts are those of each alone`() throws {
    let path = try Stories.path("stories260K-f32.gguf")
    let file = try ModelFile.open(path)
    let weights = try #require(file.weights)
    let tokenizer = try Tokenizer(try #require(file.metadata), path: path)
    let beginning = "Once upon a time there was a little girl who lived in a big house with her mom and a small dog. "
    let prompts = ["She", "The dog", "One day,", "Her mom"].map {
      tokenizer.encode(beginning + $0, addsSpecial: true, parsesSpecial: true)
    }
    let samplers = prompts.map { _ in Sampler(.init(temperature: 0)) }
    try withPool(1) { pool in
      func story(_ sequences: Int) throws -> InferenceSession {
        try InferenceSession(
          architecture: file.description.architecture, weights: weights,
          workload: Workload(contextTokens: 128, sequences: sequences, keyValueFormat: .f32), kernels: .best,
          pool: pool)
      }
      let texts = try BatchGenerator(session: try story(2), tokenizer: tokenizer)
        .generate(prompts, count: 20, samplers: samplers)
      for (index, prompt) in prompts.enumerated() {
        let alone = try TextGenerator(session: try story(1), tokenizer: tokenizer, sampler: samplers[index])
          .generate(prompt, count: 20)
        #expect(texts[index].tokens == alone.tokens && texts[index].text == alone.text)
        #expect(texts[index].reused >= BatchGenerator.leastShared && texts[index].reused < prompt.count)
        #expect(alone.reused == 0)
      }
    }
  }
}
