// SPDX-License-Identifier: Apache-2.0
import Foundation
import JSONText
import ModelFiles
import Testing

@testable import Inference

/// Vocabularies of `tokenizer.json` against the library that wrote them (scripts/golden/tokenizers).
@Suite struct `Checkpoint tokenizers` {
  private static func golden(_ name: String) throws -> JSON {
    let url = try #require(
      Bundle.module.url(forResource: "tokenizer-\(name)", withExtension: "json", subdirectory: "Golden"))
    return try JSON(parsing: [UInt8](try Data(contentsOf: url)))
  }

  private static func tokenizer(_ name: String, _ configuration: JSON? = nil) throws -> Tokenizer {
    let json = try #require(try golden(name)["tokenizer"])
    return try Tokenizer(TokenizerFiles(tokenizer: json, configuration: configuration, path: name))
  }

  @Test(arguments: ["byte-level", "characters", "unigram"])
  func `a vocabulary of each kind gives the library's tokens`(name: String) throws {
    let golden = try Self.golden(name)
    let tokenizer = try Self.tokenizer(name)
    let texts = try #require(golden["texts"]?.arrayValue).compactMap(\.stringValue)
    #expect(texts.count >= 10)
    for (text, ids) in zip(texts, try #require(golden["ids"]?.arrayValue)) {
      let expected = try #require(ids.arrayValue).compactMap { $0.intValue.map { Int32($0) } }
      #expect(tokenizer.encode(text, parsesSpecial: true) == expected, "\(text.debugDescription)")
    }
  }

  @Test func `text is brought into the normal form that a file names, between special tokens`() throws {
    let members = try #require(try Self.golden("byte-level")["tokenizer"]?.members)
    let url = try #require(Bundle.module.url(forResource: "Golden/normal-forms.json", withExtension: nil))
    let golden = try JSON(parsing: [UInt8](try Data(contentsOf: url)))
    let texts = try #require(golden["texts"]?.arrayValue).compactMap(\.stringValue)
    let forms = try #require(golden["ids"]?.members)
    #expect(forms.count == 4 && texts.count == 6)
    for form in forms {
      let normalizer = JSON.Member("normalizer", ["type": .string(form.key)])
      let json = JSON.object(members.filter { $0.key != "normalizer" } + [normalizer])
      let tokenizer = try Tokenizer(TokenizerFiles(tokenizer: json, configuration: nil, path: form.key))
      for (text, ids) in zip(texts, try #require(form.value.arrayValue)) {
        let expected = try #require(ids.arrayValue).compactMap { $0.intValue.map { Int32($0) } }
        #expect(tokenizer.encode(text, parsesSpecial: true) == expected, "\(form.key): \(text.debugDescription)")
      }
    }
  }

  @Test(arguments: ["byte-level", "characters"]) func `tokens give back their text`(name: String) throws {
    let tokenizer = try Self.tokenizer(name)
    for text in ["the words", "unknown: ☃ 🦙 中文", "a\n\tb  c", "12345 don't"] {
      #expect(tokenizer.text(of: tokenizer.encode(text)) == text)
    }
  }

  @Test func `the configuration beside it names the special tokens, the endings and the template`() throws {
    let configuration: JSON = [
      "bos_token": "<s>", "eos_token": ["content": "</s>"], "add_bos_token": false,
      "chat_template": [["name": "tools", "template": "no"], ["name": "default", "template": "{{ bos_token }}yes"]],
    ]
    let json = try #require(try Self.golden("byte-level")["tokenizer"])
    let files = TokenizerFiles(
      tokenizer: json, configuration: configuration, generation: ["eos_token_id": [3, 999_999]], path: "x")
    let tokenizer = try Tokenizer(files)
    #expect(tokenizer.spelling(of: try #require(tokenizer.beginOfSequence)) == "<s>")
    let end = try #require(tokenizer.endOfSequence)
    #expect(tokenizer.endOfGeneration == [end, 3])
    #expect(!tokenizer.addsBeginOfSequence)
    #expect(try tokenizer.prompt(for: [], path: "x") == "<s>yes")
  }

  @Test func `what is damaged or unknown is refused with its place`() throws {
    func fails(_ change: (inout [JSON.Member]) -> Void) throws {
      var members = try #require(try Self.golden("byte-level")["tokenizer"]?.members)
      change(&members)
      #expect(throws: TokenizerError.self) {
        try Tokenizer(TokenizerFiles(tokenizer: .object(members), path: "x"))
      }
    }
    func set(_ key: String, _ value: JSON) throws {
      try fails { members in
        members.removeAll { $0.key == key }
        members.append(.init(key, value))
      }
    }
    try set("model", .null)
    try set("model", ["type": "WordLevel", "vocab": ["a": 0]])
    try set("model", ["type": "BPE", "vocab": ["a": -1], "merges": []])
    try set("model", ["type": "BPE", "vocab": ["a": 9_000_000_000], "merges": []])
    try set("model", ["type": "BPE", "vocab": ["a": 0]])
    try set("model", ["type": "Unigram", "vocab": [["a"]]])
    try set("added_tokens", [["id": "x"]])
    try set("pre_tokenizer", ["type": "Sorcery"])
    try set("pre_tokenizer", ["type": "Split", "pattern": ["Regex": "(?<=x)"], "behavior": "Isolated"])
  }
}

@Suite struct `Chat prompts` {
  private static func tokenizer(_ template: String?, addsBegin: Bool = true) throws -> Tokenizer {
    var metadata = GGUFMetadata()
    metadata.append("tokenizer.ggml.model", .string("llama"))
    metadata.append("tokenizer.ggml.tokens", .array(GGUFArray(["<unk>", "<s>", "</s>", "▁", "h", "i", "<|u|>"])))
    metadata.append("tokenizer.ggml.token_type", .array(GGUFArray([2, 3, 3, 1, 1, 1, 3] as [Int32])))
    metadata.append("tokenizer.ggml.bos_token_id", .uint32(1))
    metadata.append("tokenizer.ggml.eos_token_id", .uint32(2))
    metadata.append("tokenizer.ggml.add_bos_token", .bool(addsBegin))
    metadata.append("tokenizer.ggml.add_space_prefix", .bool(false))
    if let template { metadata.append("tokenizer.chat_template", .string(template)) }
    return try Tokenizer(metadata, path: "x")
  }

  private static let turns = "{% for m in messages %}<|u|>{{ m.content }}{{ eos_token }}{% endfor %}"

  @Test func `control tokens of a template become tokens, and the beginning token stands there once`() throws {
    for template in [Self.turns, "{{ bos_token }}" + Self.turns] {
      let tokenizer = try Self.tokenizer(template)
      let prompt = try tokenizer.prompt(for: [ChatMessage(.user, "hi")], path: "x")
      #expect(tokenizer.encode(chat: prompt) == [1, 6, 4, 5, 2])
    }
    let plain = try Self.tokenizer(Self.turns, addsBegin: false)
    #expect(plain.encode(chat: try plain.prompt(for: [ChatMessage(.user, "hi")], path: "x")) == [6, 4, 5, 2])
  }

  @Test func `a file without a template says so`() throws {
    let tokenizer = try Self.tokenizer(nil)
    #expect(throws: TokenizerError.noChatTemplate(path: "x")) {
      try tokenizer.prompt(for: [ChatMessage(.user, "hi")], path: "x")
    }
  }
}
