// SPDX-License-Identifier: Apache-2.0
import CKernels
import CostModel
import Foundation
import LanguageModel
import ModelFiles
import Testing

@testable import Inference

/// Contexts that go on behind their end.
@Suite struct ShiftTests {
  /// Half a unit of the last place, relative to the largest of a vector: of halves 2⁻¹¹; a block of 8 bits has steps of
  /// 1/127, of half of one each element is off, and its scale is a half.
  private func rounding(_ format: KeyValueFormat) -> Double {
    switch format {
    case .f16: 1.0 / 2048
    case .q8_0: 0.5 / 127 + 1.0 / 2048
    // Cosines and sines in floats, three rounded operations.
    default: 4.0 / 16_777_216
    }
  }

  private func session(
    _ file: ModelFile, _ format: KeyValueFormat, context: Int, microBatch: Int, _ pool: ThreadPool
  ) throws -> InferenceSession {
    try InferenceSession(
      architecture: file.description.architecture, weights: try #require(file.weights),
      workload: Workload(contextTokens: context, keyValueFormat: format, microBatch: microBatch), kernels: .best,
      pool: pool)
  }

  /// A layer's rows of one head, from a position on, as floats.
  private func rows(
    _ session: InferenceSession, _ layer: Int, head: Int, keys: Bool, _ positions: Range<Int>, width: Int
  ) -> [[Float]] {
    let cache = session.transformer.cache
    let place = cache.layer(layer, sequence: 0)
    return positions.map { position in
      var row = [Float](repeating: 0, count: width)
      let address = keys ? place.key(position, head: head) : place.value(position, head: head)
      cache.load(address, count: width, into: &row, kernels: session.kernels.row)
      return row
    }
  }

  /// A key whose pairs turn by the angles of so many positions, in doubles.
  private func turned(_ row: [Float], by positions: Int, _ table: RopeTable, offset: Int) -> [Double] {
    var result = row.map { Double($0) }
    let half = table.width / 2
    for (pair, frequency) in table.frequencies.enumerated() {
      let (i, j) =
        switch table.pairing {
        case .neighbours: (offset + 2 * pair, offset + 2 * pair + 1)
        case .halves: (offset + pair, offset + pair + half)
        }
      let angle = Double(positions) * frequency
      (result[i], result[j]) = (
        result[i] * cos(angle) - result[j] * sin(angle), result[i] * sin(angle) + result[j] * cos(angle)
      )
    }
    return result
  }

  /// Rotated halves and neighbours, in part, scaled by YaRN and by factors, with tables of their own in windows, without
  /// rotation in some layers, latent, and by distance.
  private static let models = [
    "llama-3", "llama-linear", "qwen2-yarn", "phi-2", "phi-3-long", "gemma-3", "gpt-oss", "command-r7b", "smollm3",
    "deepseek-v2", "bloom",
  ]

  @Test(arguments: models, [KeyValueFormat.f32, .f16, .q8_0])
  func `keys behind a shift are those of their new positions`(name: String, format: KeyValueFormat) throws {
    let folder = try TemporaryFolder()
    let file = try GoldenModel(name).open(in: folder)
    let architecture = file.description.architecture
    guard KVCache.runs(format, architecture) else { return }
    let (context, kept) = (40, 4)
    let vocabulary = architecture.vocabularySize
    let tokens = (0..<context).map { Int32(($0 * 17 + 5) % vocabulary) }
    try withPool(2) { pool in
      let session = try session(file, format, context: context, microBatch: context, pool)
      try session.run(tokens)
      let cache = session.transformer.cache
      let layers = session.transformer.model.layers
      func all(_ positions: Range<Int>, keys: Bool) -> [[[[Float]]]] {
        layers.indices.map { layer in
          let (width, heads) = shape(layers[layer])
          return (0..<heads).map { rows(session, layer, head: $0, keys: keys, positions, width: width) }
        }
      }
      let (keys, values) = (all(0..<context, keys: true), all(0..<context, keys: false))
      let gone = try session.shift(keeping: kept)
      #expect(gone == kept..<kept + 18)
      #expect(session.histories[0] == Array(tokens[..<kept] + tokens[gone.upperBound...]))
      let (newKeys, newValues) = (
        all(0..<context - gone.count, keys: true), all(0..<context - gone.count, keys: false)
      )
      // The first layer knows nothing of other tokens: running the ones that are left gives the same keys but for rounding.
      let fresh = try self.session(file, format, context: context, microBatch: context, pool)
      try fresh.run(session.histories[0])
      for (index, layer) in layers.enumerated() {
        let (table, offset) = rotation(session.transformer, layer)
        let (width, heads) = shape(layer)
        let isLatent = cache.layout.layers[index].valueBytes == 0
        for head in 0..<heads {
          #expect(newKeys[index][head].prefix(kept) == keys[index][head].prefix(kept))
          if !isLatent {
            let old = values[index][head]
            #expect(newValues[index][head] == Array(old[..<kept] + old[gone.upperBound...]))
          }
          let own = index == 0 ? rows(fresh, 0, head: head, keys: true, 0..<newKeys[0][head].count, width: width) : nil
          for position in kept..<context - gone.count {
            let old = keys[index][head][position + gone.count]
            let expected =
              table.map { turned(old, by: -gone.count, $0, offset: offset) } ?? old.map { Double($0) }
            // A pair's elements are at most √2 times the largest of the row, before and after.
            let largest = 2.0.squareRoot() * Double(old.map(abs).max() ?? 0)
            let new = newKeys[index][head][position]
            let bound = table == nil ? 0 : rounding(format) * largest
            #expect(zip(new, expected).allSatisfy { abs(Double($0) - $1) <= bound }, "layer \(index), \(position)")
            // Rounded at the old position and at both new ones; a rotation turns the first error by √2 at most.
            guard let row = own?[position] else { continue }
            let twice = (table == nil ? 0 : 4 * rounding(format) * largest) + 1e-5 * largest
            #expect(zip(new, row).allSatisfy { abs(Double($0) - Double($1)) <= twice }, "fresh, \(position)")
          }
        }
      }
      let next = Array(try session.logits(after: [1]))
      #expect(next.allSatisfy { $0.isFinite } && session.length() == context - gone.count + 1)
    }
  }

  private func shape(_ layer: PreparedLayer) -> (width: Int, heads: Int) {
    switch layer.mixer {
    case .attention(let attention): (attention.shape.keyWidth, attention.shape.keyValueHeads)
    case .latent(let latent): (latent.shape.keyValueRank + latent.shape.ropeWidth, 1)
    }
  }

  private func rotation(_ transformer: Transformer, _ layer: PreparedLayer) -> (RopeTable?, Int) {
    switch layer.mixer {
    case .attention(let attention): (transformer.rotation(of: attention.shape), 0)
    case .latent(let latent): (transformer.rope, latent.shape.keyValueRank)
    }
  }

  @Test func `a layer that has left the beginning behind keeps its window whole`() throws {
    var architecture = smallArchitecture("mistral", window: 9)
    architecture.layers[1] = smallArchitecture().layers[1]
    try withPool(2) { pool in
      let weights = try SyntheticWeights(inventory: smallInventory(architecture, .q8_0), seed: 3, pool: pool)
      func session(_ microBatch: Int) throws -> InferenceSession {
        try InferenceSession(
          architecture: architecture, weights: weights,
          workload: Workload(contextTokens: 32, keyValueFormat: .f32, microBatch: microBatch), kernels: .best,
          pool: pool)
      }
      // Of one every row is kept; the other has slid.
      let (whole, small) = (try session(32), try session(4))
      let tokens = (0..<32).map { Int32($0 * 7 % 96) }
      for start in stride(from: 0, to: 32, by: 4) {
        for one in [whole, small] { try one.run(Array(tokens[start..<start + 4])) }
      }
      for kept in [0, 4] {
        for _ in 0..<3 {
          let range = try whole.shift(keeping: kept)
          #expect(try small.shift(keeping: kept) == range)
          while whole.length() < 32 {
            let logits = Array(try whole.logits(after: [7]))
            #expect(Array(try small.logits(after: [7])) == logits)
          }
        }
      }
      // Nothing but the window and the first tokens would be left.
      #expect(throws: LanguageRuntimeError.self) { try small.checkShift(keeping: 24) }
      #expect(throws: LanguageRuntimeError.self) { try whole.checkShift(keeping: 31) }
    }
  }

  @Test func `learnt positions are refused`() throws {
    let folder = try TemporaryFolder()
    let file = try GoldenModel("gpt2").open(in: folder)
    try withPool(1) { pool in
      let session = try session(file, .f16, context: 32, microBatch: 32, pool)
      #expect {
        try session.checkShift(keeping: 4)
      } throws: { error in
        guard case LanguageRuntimeError.cannotShift(let reason) = error else { return false }
        return reason.contains("learnt")
      }
    }
  }

  @Test func `texts go on behind the context, the same from the same seed, with drafts and in batches too`() throws {
    let path = try Stories.path("stories260K-f32.gguf")
    let file = try ModelFile.open(path)
    let weights = try #require(file.weights)
    let tokenizer = try Tokenizer(try #require(file.metadata), path: path)
    let prompt = tokenizer.encode("Once upon a time", addsSpecial: true, parsesSpecial: true)
    func session(_ pool: ThreadPool, sequences: Int = 1, drafts: Int = 0) throws -> InferenceSession {
      var workload = Workload(contextTokens: 40, sequences: sequences, keyValueFormat: .f32)
      workload.draftTokens = drafts
      return try InferenceSession(
        architecture: file.description.architecture, weights: weights, workload: workload, kernels: .best, pool: pool)
    }
    try withPool(1) { pool in
      for settings in [Sampler.Settings(temperature: 0), .init(temperature: 0.8, seed: 7)] {
        func text(_ session: InferenceSession, _ drafter: Drafter? = nil) throws -> TextGenerator.Result {
          try TextGenerator(
            session: session, tokenizer: tokenizer, sampler: Sampler(settings), drafter: drafter, keptTokens: 4
          ).generate(prompt, count: 120)
        }
        let one = try session(pool)
        let first = try text(one)
        #expect(first.stop == .length && first.tokens.count == 120)
        #expect(first.shifts > 3)
        // A shifted cache is no beginning of the next text, but for the tokens that stayed.
        let second = try text(one)
        #expect(second.tokens == first.tokens)
        #expect(second.reused <= 4)
        let batch = try BatchGenerator(session: try session(pool, sequences: 2), tokenizer: tokenizer, keptTokens: 4)
          .generate([prompt, prompt, prompt], count: 120, samplers: Array(repeating: Sampler(settings), count: 3))
        #expect(batch.allSatisfy { $0.tokens == first.tokens && $0.shifts == first.shifts })
        let drafted = try text(try session(pool, drafts: 3), Drafter(.lookup, count: 3))
        #expect(drafted.stop == .length && drafted.shifts > 3)
        if settings.temperature == 0 { #expect(drafted.tokens == first.tokens) }
      }
    }
  }
}
