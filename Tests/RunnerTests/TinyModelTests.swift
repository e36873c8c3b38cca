// SPDX-License-Identifier: Apache-2.0
import CostModel
import Evidence
import Foundation
import Inference
import LanguageModel
import ModelFiles
import Testing

/// The model of 6.8 million weights that scripts/tiny-model makes: rows of whole blocks, and English in it.
enum TinyModel {
  static let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("Fixtures/books-7m-f16.gguf").path

  static func file() throws -> ModelFile { try ModelFile.open(path) }
}

@Suite struct TinyModelTests {
  @Test func `every matrix has rows of whole blocks of 256`() throws {
    let inventory = try TinyModel.file().description.inventory
    #expect(inventory.tensors.allSatisfy { $0.isVector || $0.columns % 256 == 0 })
    #expect((4_000_000...10_000_000).contains(inventory.parameterCount))
  }

  @Test func `its vocabulary gives a text back, and the words in order surprise it less than the same in disorder`()
    throws
  {
    let file = try TinyModel.file()
    let tokenizer = try Tokenizer(try #require(file.metadata), path: TinyModel.path)
    let sentence = "She had been a very good girl, and he was glad to see her at the end of the day."
    #expect(tokenizer.text(of: tokenizer.encode(sentence)) == sentence)
    let disorder = sentence.split(separator: " ").enumerated().sorted { ($0.0 * 7 % 20, $0.0) < ($1.0 * 7 % 20, $1.0) }
      .map(\.1).joined(separator: " ")
    let pool = try ThreadPool(count: 2)
    defer { pool.stop() }
    let losses = try [sentence, disorder].map { text in
      let tokens = tokenizer.encode(text)
      let session = try InferenceSession(
        architecture: file.description.architecture, weights: try #require(file.weights),
        workload: Workload(contextTokens: 64), kernels: .best, pool: pool)
      var loss = 0.0
      try session.forEachLogits(of: tokens) { index, logits in
        guard index + 1 < tokens.count else { return }
        let sum = logits.reduce(0.0) { $0 + exp(Double($1)) }
        loss += log(sum) - Double(logits[Int(tokens[index + 1])])
      }
      return loss / Double(tokens.count - 1)
    }
    #expect(losses[0] < losses[1])
    // A model that knows nothing of the language has ln 2048.
    #expect(losses[0] < log(2048.0) - 1)
  }
}
