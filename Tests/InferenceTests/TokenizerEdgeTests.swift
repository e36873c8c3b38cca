// SPDX-License-Identifier: Apache-2.0
import ModelFiles
import TestSupport
import Testing

@testable import Inference

@Suite struct `Tokenizer edges` {
  /// The 256 bytes as tokens, in GPT-2's spelling, and then the given ones.
  private static func byteLevel(_ splitter: String, _ extra: [(text: String, kind: Int32)] = []) -> GGUFMetadata {
    var spelt: [String] = []
    var next: UInt32 = 0x100
    for byte in UInt32(0)...255 {
      let isPrintable = (0x21...0x7E).contains(byte) || (0xA1...0xAC).contains(byte) || byte >= 0xAE
      spelt.append(Unicode.Scalar(isPrintable ? byte : next).map { String(Character($0)) } ?? "")
      if !isPrintable { next += 1 }
    }
    var metadata = GGUFMetadata()
    metadata.append("tokenizer.ggml.model", .string("gpt2"))
    metadata.append("tokenizer.ggml.pre", .string(splitter))
    metadata.append("tokenizer.ggml.tokens", .array(GGUFArray(spelt + extra.map(\.text))))
    metadata.append(
      "tokenizer.ggml.token_type", .array(GGUFArray([Int32](repeating: 1, count: 256) + extra.map(\.kind))))
    metadata.append("tokenizer.ggml.merges", .array(GGUFArray([String]())))
    metadata.append("tokenizer.ggml.bos_token_id", .uint32(7))
    return metadata
  }

  @Test func `a file that does not say begins as its family does`() throws {
    let llama = try Tokenizer(Self.byteLevel("llama-bpe"), path: "x")
    #expect(llama.encode("a").first == 7)
    let other = try Tokenizer(Self.byteLevel("qwen2"), path: "x")
    #expect(other.encode("a").count == 1)
  }

  @Test func `of special tokens the longest is meant, and one may be text while another is not`() throws {
    let tokenizer = try Tokenizer(
      Self.byteLevel("gpt-2", [("<a>", 4), ("<a><b>", 3), ("<", 3), ("é", 4)]), path: "x")
    #expect(tokenizer.encode("<a><b>", addsSpecial: false, parsesSpecial: true) == [257])
    #expect(tokenizer.encode("<a><", addsSpecial: false, parsesSpecial: true) == [256, 258])
    #expect(tokenizer.encode("<a><b>", addsSpecial: false, parsesSpecial: false) == [256, 60, 98, 62])
    #expect(tokenizer.encode("xé<a>é", addsSpecial: false) == [120, 259, 256, 259])
  }

  @Test func `thousands of special tokens with one beginning cost no more than a few`() throws {
    let padding = (0..<3000).map { (text: "[PAD\($0)]", kind: Int32(4)) }
    let tokenizer = try Tokenizer(Self.byteLevel("gpt-2", padding), path: "x")
    let text = String(repeating: "[", count: 50_000) + "[PAD2999]"
    let ids = tokenizer.encode(text, addsSpecial: false)
    #expect(ids.count == 50_001 && ids.last == 256 + 2999)
  }

  @Test(arguments: [
    "deepseek-llm", "deepseek-coder", "llama-bpe", "qwen2", "gpt-2", "falcon", "starcoder", "default", "gpt-4o",
    "deepseek-v3", "kimi-k2",
  ])
  func `long runs of anything are split in time`(name: String) throws {
    let splitter = try #require(WordSplitter(name))
    for unit in [" ", "\n", "\u{A0}", " \n", "a", "中", "7", "'", "¢ ", "\u{300}"] {
      let text = String(repeating: unit, count: 30_000) + "¢"
      let words = Array(text.utf8).withUnsafeBufferPointer { splitter.words(of: $0) }
      #expect(words.reduce(0) { $0 + $1.count } == text.utf8.count, "'\(unit)'")
    }
  }

  /// The candidates by sorting all: what the single pass must equal.
  private static func top(_ count: Int, of logits: [Float]) -> Set<Int32> {
    let order = logits.indices.filter { !logits[$0].isNaN }.sorted { (logits[$1], $0) < (logits[$0], $1) }
    return Set(order.prefix(count).map { Int32($0) })
  }

  @Test func `top-k keeps the same tokens as sorting everything`() {
    var random = SeededRandom(seed: 7)
    for round in 0..<20 {
      // Few different values, so that ties are decided too; rising and falling ones besides.
      var logits = (0..<400).map { index -> Float in
        switch round {
        case 0: Float(index)
        case 1: Float(-index)
        case 2: 0
        default: index % 17 == 3 ? .nan : Float(Int.random(in: 0..<60, using: &random)) / 100
        }
      }
      let expected = Self.top(5, of: logits)
      var sampler = Sampler(.init(temperature: 100, topK: 5, topP: 1, minP: 0, seed: UInt64(round)))
      var seen: Set<Int32> = []
      logits.withUnsafeMutableBufferPointer { buffer in
        for _ in 0..<400 { seen.insert(sampler.next(buffer)) }
      }
      // Missing one of five nearly equal tokens 400 times has a chance below 1e-37.
      #expect(seen == expected, "round \(round)")
    }
  }
}
