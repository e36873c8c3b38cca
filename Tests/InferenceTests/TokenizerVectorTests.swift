// SPDX-License-Identifier: Apache-2.0
import Foundation
import ModelFiles
import TestSupport
import Testing

@testable import Inference

/// Published vocabularies with texts and the ids that their reference implementations give.
@Suite struct TokenizerVectorTests {
  static let vocabularies = ["llama-spm", "phi-3", "gpt-2", "falcon", "starcoder", "deepseek-llm"]

  private static func vectors(_ name: String) throws -> [(text: String, ids: [Int32])] {
    let input = try #require(SharedData.file("vocab/ggml-vocab-\(name).gguf.inp"))
    let output = try #require(SharedData.file("vocab/ggml-vocab-\(name).gguf.out"))
    let texts = try String(contentsOf: input, encoding: .utf8).components(separatedBy: "\n__ggml_vocab_test__\n")
    let lines = try String(contentsOf: output, encoding: .utf8).components(separatedBy: "\n")
    let ids = lines.prefix(texts.count).map { $0.split(separator: " ").compactMap { Int32($0) } }
    return Array(zip(texts, ids).map { (text: $0, ids: $1) })
  }

  private static func expectVectors(_ tokenizer: Tokenizer, _ name: String) throws {
    let vectors = try Self.vectors(name)
    #expect(vectors.count > 20)
    for (text, ids) in vectors {
      #expect(tokenizer.encode(text, addsSpecial: false) == ids, "\(name): \(text.debugDescription)")
    }
  }

  @Test(.enabled(if: SharedData.file("vocab/ggml-vocab-gpt-2.gguf") != nil), arguments: vocabularies)
  func `the vectors of a published vocabulary pass`(name: String) throws {
    let path = try #require(SharedData.file("vocab/ggml-vocab-\(name).gguf")).path
    let metadata = try GGUFFile(path: path).header.metadata
    try Self.expectVectors(try Tokenizer(metadata, path: path), name)
  }

  /// By way of a checkpoint's files, where llama's scores are a list of merges.
  @Test(.enabled(if: SharedData.file("vocab/ggml-vocab-gpt-2.gguf") != nil), arguments: ["llama-spm", "gpt-2"])
  func `the vectors pass on the metadata that is made of a vocabulary's checkpoint files`(name: String) throws {
    let path = try #require(SharedData.file("vocab/ggml-vocab-\(name).gguf")).path
    let metadata = try GGUFFile(path: path).header.metadata
    let made = Dictionary(
      uniqueKeysWithValues: try TokenizerFiles.made(of: metadata, path: path).map { ($0.name, $0.json) })
    let files = TokenizerFiles(
      tokenizer: try #require(made["tokenizer.json"]), configuration: made["tokenizer_config.json"], path: path)
    let count = try #require(metadata[TokenizerKeys.tokens]?.arrayValue?.count)
    var again = GGUFMetadata()
    for (key, value) in try files.metadataPairs(tokens: count) { again.append(key, value) }
    for key in [TokenizerKeys.model, TokenizerKeys.tokens, TokenizerKeys.types, TokenizerKeys.merges] {
      #expect(again[key] == metadata[key], "\(key)")
    }
    try Self.expectVectors(try Tokenizer(again, path: path), name)
  }

  @Test(
    .enabled(
      if: SharedData.file("vocab/ggml-vocab-qwen2.gguf") != nil,
      "qwen2: its vectors are there, but no vocabulary; its split is held by the golden word splits"))
  func `the vectors of qwen2 pass`() throws {
    let path = try #require(SharedData.file("vocab/ggml-vocab-qwen2.gguf")).path
    try Self.expectVectors(try Tokenizer(try GGUFFile(path: path).header.metadata, path: path), "qwen2")
  }

  /// The ranks of tiktoken hold the same rules as merges: every way to join two tokens into a third, the lowest rank
  /// first.
  @Test(.enabled(if: SharedData.file("vocab/llama-3.tiktoken") != nil))
  func `the vectors of Llama 3 pass on tiktoken's ranks`() throws {
    let path = try #require(SharedData.file("vocab/llama-3.tiktoken"))
    let lines = try String(contentsOf: path, encoding: .utf8).split(separator: "\n")
    let tokens = lines.compactMap { line in line.split(separator: " ").first.flatMap { Data(base64Encoded: String($0)) }
    }
    #expect(tokens.count == 128_000)
    let spelt = tokens.map { SpeltBytes.text($0) }
    let known = Set(tokens.map { Array($0) })
    var merges: [String] = []
    for token in tokens {
      let bytes = Array(token)
      for cut in 1..<max(1, bytes.count)
      where known.contains(Array(bytes[..<cut])) && known.contains(Array(bytes[cut...])) {
        merges.append("\(SpeltBytes.text(bytes[..<cut])) \(SpeltBytes.text(bytes[cut...]))")
      }
    }
    #expect(merges.count == 280_147)
    var metadata = GGUFMetadata()
    metadata.append("tokenizer.ggml.model", .string("gpt2"))
    metadata.append("tokenizer.ggml.pre", .string("llama-bpe"))
    metadata.append("tokenizer.ggml.tokens", .array(GGUFArray(spelt)))
    metadata.append("tokenizer.ggml.merges", .array(GGUFArray(merges)))
    try Self.expectVectors(try Tokenizer(metadata, path: "llama-3"), "llama-bpe")
  }

  @Test(.enabled(if: SharedData.file("vocab/ggml-vocab-gpt-2.gguf") != nil), arguments: ["gpt-2", "starcoder"])
  func `byte-level tokens give back any text`(name: String) throws {
    let path = try #require(SharedData.file("vocab/ggml-vocab-\(name).gguf")).path
    let tokenizer = try Tokenizer(try GGUFFile(path: path).header.metadata, path: path)
    var random = SeededRandom(seed: 5)
    for _ in 0..<200 {
      var text = ""
      for _ in 0..<Int.random(in: 0...40, using: &random) {
        let value = UInt32.random(in: 1...0x2_FFFF, using: &random) >> UInt32.random(in: 0...10, using: &random)
        if let scalar = Unicode.Scalar(value) { text.unicodeScalars.append(scalar) }
      }
      #expect(tokenizer.text(of: tokenizer.encode(text, addsSpecial: false)) == text)
    }
  }

  @Test(.enabled(if: SharedData.file("vocab/ggml-vocab-llama-spm.gguf") != nil))
  func `a megabyte without a space is encoded at once`() throws {
    let path = try #require(SharedData.file("vocab/ggml-vocab-llama-spm.gguf")).path
    let tokenizer = try Tokenizer(try GGUFFile(path: path).header.metadata, path: path)
    let text = String(repeating: "abcdefghij", count: 20_000)
    #expect(tokenizer.text(of: tokenizer.encode(text, addsSpecial: false)) == text)
  }
}

/// GPT-2's spelling of bytes, written down apart from the code that is tested.
enum SpeltBytes {
  private static let alphabet: [Unicode.Scalar] = {
    var table = [Unicode.Scalar?](repeating: nil, count: 256)
    for range in [33...126, 161...172, 174...255] { for byte in range { table[byte] = Unicode.Scalar(UInt8(byte)) } }
    var next: UInt32 = 256
    for byte in 0..<256 where table[byte] == nil {
      table[byte] = Unicode.Scalar(next)
      next += 1
    }
    return table.compactMap { $0 }
  }()

  static func text(_ bytes: some Sequence<UInt8>) -> String {
    var text = ""
    for byte in bytes { text.unicodeScalars.append(alphabet[Int(byte)]) }
    return text
  }
}
