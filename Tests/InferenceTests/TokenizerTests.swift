// SPDX-License-Identifier: Apache-2.0
import ModelFiles
import TestSupport
import Testing

@testable import Inference

@Suite struct TokenizerTests {
  /// A vocabulary of a few tokens, byte tokens included.
  private static func small(_ change: (inout GGUFMetadata) -> Void = { _ in }) -> GGUFMetadata {
    var tokens = ["<unk>", "<s>", "</s>", "▁", "a", "b", "ab", "▁ab", "<|user|>", "é"]
    tokens += (0..<256).map {
      "<0x" + (String($0, radix: 16).count < 2 ? "0" : "") + String($0, radix: 16).uppercased() + ">"
    }
    var types: [Int32] = [2, 3, 3, 1, 1, 1, 1, 1, 4, 1]
    types += [Int32](repeating: 6, count: 256)
    var metadata = GGUFMetadata()
    metadata.append("tokenizer.ggml.model", .string("llama"))
    metadata.append("tokenizer.ggml.tokens", .array(GGUFArray(tokens)))
    metadata.append("tokenizer.ggml.scores", .array(GGUFArray([Float](repeating: -1, count: tokens.count))))
    metadata.append("tokenizer.ggml.token_type", .array(GGUFArray(types)))
    metadata.append("tokenizer.ggml.bos_token_id", .uint32(1))
    metadata.append("tokenizer.ggml.eos_token_id", .uint32(2))
    change(&metadata)
    return metadata
  }

  @Test func `a text begins with the beginning-of-sequence token unless that is not wanted`() throws {
    let tokenizer = try Tokenizer(Self.small(), path: "small")
    #expect(tokenizer.encode("ab") == [1, 7])
    #expect(tokenizer.encode("ab", addsSpecial: false) == [7])
  }

  @Test func `what has no token becomes its bytes, and comes back whole`() throws {
    let tokenizer = try Tokenizer(Self.small(), path: "small")
    let ids = tokenizer.encode("ab €", addsSpecial: false)
    let expected: [Int32] = [7, 3, 236, 140, 182]  // "▁ab", "▁", and the bytes E2 82 AC from token 10 on
    #expect(ids == expected)
    #expect(tokenizer.text(of: ids) == "ab €")
  }

  @Test func `a stream never shows half a character`() throws {
    let tokenizer = try Tokenizer(Self.small(), path: "small")
    var decoder = TokenDecoder(tokenizer)
    let bytes: [Int32] = [236, 140, 182]
    let pieces = bytes.map { decoder.text(after: $0) }
    #expect(pieces == ["", "", "€"])
    #expect(decoder.text(after: 250).isEmpty)
    #expect(decoder.rest() == "\u{FFFD}")
  }

  @Test func `control tokens are text unless asked for, user-defined ones always tokens`() throws {
    let tokenizer = try Tokenizer(Self.small(), path: "small")
    #expect(tokenizer.encode("<|user|>", addsSpecial: false) == [8])
    #expect(tokenizer.encode("</s>", addsSpecial: false, parsesSpecial: true) == [2])
    #expect(!tokenizer.encode("</s>", addsSpecial: false).contains(2))
  }

  @Test func `a file without vocabulary says which key is missing`() {
    #expect(throws: TokenizerError.missingKey(path: "x", key: "tokenizer.ggml.model")) {
      try Tokenizer(GGUFMetadata(), path: "x")
    }
  }

  @Test func `an id outside the vocabulary is refused`() {
    var metadata = GGUFMetadata()
    metadata.append("tokenizer.ggml.model", .string("llama"))
    metadata.append("tokenizer.ggml.tokens", .array(GGUFArray(["a"])))
    metadata.append("tokenizer.ggml.bos_token_id", .uint32(9))
    #expect(throws: TokenizerError.self) { try Tokenizer(metadata, path: "x") }
  }

  @Test func `lists of other lengths than the tokens are refused`() {
    var metadata = GGUFMetadata()
    metadata.append("tokenizer.ggml.model", .string("llama"))
    metadata.append("tokenizer.ggml.tokens", .array(GGUFArray(["a", "b"])))
    metadata.append("tokenizer.ggml.scores", .array(GGUFArray([Float(1)])))
    #expect(throws: TokenizerError.self) { try Tokenizer(metadata, path: "x") }
  }

  @Test func `vocabularies of random bytes neither trap nor lose text`() throws {
    var random = SeededRandom(seed: 11)
    for _ in 0..<300 {
      let tokens = (0..<Int.random(in: 1...40, using: &random)).map { _ in
        (0..<Int.random(in: 0...4, using: &random)).map { _ in UInt8.random(in: .min ... .max, using: &random) }
      }
      var metadata = GGUFMetadata()
      let isSentencePiece = Bool.random(using: &random)
      metadata.append("tokenizer.ggml.model", .string(isSentencePiece ? "llama" : "gpt2"))
      metadata.append("tokenizer.ggml.pre", .string("gpt-2"))
      metadata.append("tokenizer.ggml.tokens", .array(GGUFArray(utf8: tokens)))
      metadata.append("tokenizer.ggml.merges", .array(GGUFArray(utf8: tokens.map { $0 + [0x20] + $0 })))
      let tokenizer = try Tokenizer(metadata, path: "random")
      let ids = tokenizer.encode("Hello 1234 \r\n  it's \u{1F999}", parsesSpecial: true)
      #expect(ids.allSatisfy { (0..<Int32(tokens.count)).contains($0) })
      _ = tokenizer.text(of: ids + [-1, 99_999])
    }
  }
}

@Suite struct SamplerTests {
  private func next(_ sampler: inout Sampler, _ logits: [Float]) -> Int32 {
    var logits = logits
    return logits.withUnsafeMutableBufferPointer { sampler.next($0) }
  }

  @Test func `temperature zero takes the greatest logit and passes over what is no number`() {
    var sampler = Sampler(.init(temperature: 0))
    #expect(next(&sampler, [1, .nan, 5, 2]) == 2)
    #expect(next(&sampler, [.nan, .nan]) == 0)
  }

  @Test func `the same seed gives the same tokens`() {
    var one = Sampler(.init(seed: 7))
    var other = Sampler(.init(seed: 7))
    let logits: [Float] = (0..<50).map { Float($0 % 7) }
    #expect((0..<100).map { _ in next(&one, logits) } == (0..<100).map { _ in next(&other, logits) })
  }

  @Test func `tokens come as often as the softmax says`() {
    var sampler = Sampler(.init(temperature: 1, topK: 0, topP: 1, minP: 0, seed: 3))
    let probabilities = [0.5, 0.3, 0.15, 0.05]
    let logits = [Float(0), -0.510826, -1.203973, -2.302585]  // ln of the ratios to the first
    var counts = [Double](repeating: 0, count: 4)
    let draws = 20_000
    for _ in 0..<draws { counts[Int(next(&sampler, logits))] += 1 }
    let chiSquare = zip(counts, probabilities).reduce(0.0) {
      $0 + ($1.0 - $1.1 * Double(draws)) * ($1.0 - $1.1 * Double(draws)) / ($1.1 * Double(draws))
    }
    // 99.9 % of fair draws stay below 16.27 with three degrees of freedom.
    #expect(chiSquare < 16.27)
  }

  @Test func `top-k, top-p and min-p keep the likely tokens alone`() {
    let logits: [Float] = [0, 3, 2.9, -5]
    for settings in [
      Sampler.Settings(temperature: 1, topK: 2, topP: 1, minP: 0), .init(temperature: 1, topK: 0, topP: 0.9, minP: 0),
      .init(temperature: 1, topK: 0, topP: 1, minP: 0.5),
    ] {
      var sampler = Sampler(settings)
      let seen = Set((0..<500).map { _ in next(&sampler, logits) })
      #expect(seen == [1, 2])
    }
  }
}
