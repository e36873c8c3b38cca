// SPDX-License-Identifier: Apache-2.0
import CostModel
import Foundation
import Inference
import JSONText
import LanguageModel
import ModelFiles
import Testing

/// The trained model of 260,032 weights that ships with the tests (stories260K by Andrej Karpathy, MIT).
enum Stories {
  static func path(_ name: String) throws -> String {
    try #require(Bundle.module.url(forResource: "Models/\(name)", withExtension: nil)).path
  }

  /// What an independent forward pass in doubles (numpy) gives: greedy tokens, and logits of the first steps.
  static func expected() throws -> JSON {
    try JSON(parsing: Array(Data(contentsOf: URL(fileURLWithPath: path("expected.json")))))
  }
}

@Suite struct StoriesTests {
  @Test func `greedy tokens equal the reference for 200 tokens on every kernel set`() throws {
    let expected = try #require(try Stories.expected()["greedy_ids"]?.arrayValue).compactMap(\.intValue)
    let file = try ModelFile.open(Stories.path("stories260K-f32.gguf"))
    let weights = try #require(file.weights)
    try withPool(2) { pool in
      for kernels in runnableKernels() {
        let session = try InferenceSession(
          architecture: file.description.architecture, weights: weights,
          workload: Workload(contextTokens: 256, keyValueFormat: .f32), kernels: kernels, pool: pool)
        var token: Int32 = 1
        var ids: [Int] = []
        for _ in 0..<200 {
          let logits = try session.logits(after: [token])
          token = Int32(logits.indices.max { logits[$0] < logits[$1] } ?? 0)
          ids.append(Int(token))
        }
        #expect(ids == Array(expected.prefix(200)), "\(kernels.name)")
      }
    }
  }

  @Test func `logits of the first steps equal the reference's`() throws {
    let expected = try Stories.expected()
    let steps = try #require(expected["first_steps"]?.arrayValue)
    let ids = try #require(expected["greedy_ids"]?.arrayValue).compactMap { $0.intValue.map(Int32.init) }
    let file = try ModelFile.open(Stories.path("stories260K-f32.gguf"))
    let weights = try #require(file.weights)
    try withPool(1) { pool in
      let session = try InferenceSession(
        architecture: file.description.architecture, weights: weights,
        workload: Workload(contextTokens: 64, keyValueFormat: .f32), kernels: .best, pool: pool)
      var token: Int32 = 1
      for (position, step) in steps.enumerated() {
        let logits = try session.logits(after: [token])
        for pair in try #require(step["top5"]?.arrayValue) {
          let entry = try #require(pair.arrayValue)
          let id = try #require(entry[0].intValue)
          let value = try #require(entry[1].doubleValue)
          // The reference prints five decimals; five layers of float sums of up to 172 terms on logits near 20.
          #expect(abs(Double(logits[id]) - value) < 2e-4, "position \(position), token \(id)")
        }
        token = ids[position]
      }
    }
  }
}
