// SPDX-License-Identifier: Apache-2.0
import JSONText
import LanguageModel
import Quantities
import Testing

/// A llama configuration of 6,000 or so parameters, small enough to count by hand.
private let tiny: JSON = [
  "model_type": "llama", "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 2,
  "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 100, "tie_word_embeddings": false,
  "rms_norm_eps": 1e-6, "rope_theta": 500_000.0, "torch_dtype": "bfloat16", "max_position_embeddings": 64,
]

private func with(_ key: String, _ value: JSON?, in configuration: JSON = tiny) -> JSON {
  var members = (configuration.members ?? []).filter { $0.key != key }
  if let value { members.append(JSON.Member(key, value)) }
  return .object(members)
}

private func describe(_ configuration: JSON) throws(ConfigurationError) -> LanguageModelDescription {
  try LanguageModelDescription(configuration: configuration, name: "tiny", provenance: .configuration(path: "c.json"))
}

private func error(of configuration: JSON) -> ConfigurationError? {
  do throws(ConfigurationError) {
    _ = try describe(configuration)
    return nil
  } catch { return error }
}

@Suite struct ConfigurationTests {
  @Test func `a llama configuration gives the tensors that one counts by hand`() throws {
    let description = try describe(tiny)
    // Per layer: q 8·8, k and v 4·8 each, o 8·8, gate, up and down 16·8 each, two norms of 8.
    #expect(description.parametersTotal == 2 * 100 * 8 + 8 + 2 * (64 + 32 + 32 + 64 + 3 * 128 + 16))
    #expect(description.inventory.tensors.count == 3 + 2 * 9)
    #expect(description.architecture.forward.normEpsilon == 1e-6)
    #expect(description.architecture.forward.rope.base == 500_000)
    #expect(description.architecture.contextLength == 64)
    #expect(description.inventory.tensors.first?.format == .bf16)
    #expect(description.notes.isEmpty)
  }

  @Test func `a tied head is counted once`() throws {
    let tied = try describe(with("tie_word_embeddings", true))
    #expect(try describe(tiny).parametersTotal - tied.parametersTotal == 800)
    #expect(tied.architecture.hasTiedEmbeddings)
  }

  @Test func `the head width is a key of its own`() throws {
    let layer = try describe(with("head_dim", 6)).architecture.layers[0]
    #expect(layer.mixers == [.attention(Attention(heads: 4, keyValueHeads: 2, keyWidth: 6, valueWidth: 6))])
  }

  @Test func `a limit of projections is read, and what the forward pass lacks is named`() throws {
    let mpt = with("model_type", "mpt")
    let clipped = try describe(with("attn_config", ["clip_qkv": 8], in: mpt)).architecture.forward
    #expect(clipped.projectionLimit == 8 && clipped.lacking == nil)
    let plain = try describe(with("attn_config", ["clip_qkv": .null, "qk_ln": false], in: mpt)).architecture.forward
    #expect(plain.projectionLimit == nil && plain.lacking == nil)
    let normalised = try describe(with("attn_config", ["qk_ln": true], in: mpt)).architecture.forward
    #expect(normalised.lacking?.contains("'qk_ln'") == true)
    // OLMoE cuts behind its norms.
    #expect(try describe(with("clip_qkv", 8)).architecture.forward.lacking?.contains("'clip_qkv'") == true)
  }

  @Test func `an unknown model type is described as llama and says so`() throws {
    let description = try describe(with("model_type", "brand_new"))
    #expect(description.parametersTotal == (try describe(tiny)).parametersTotal)
    #expect(description.notes == [.unknownModelType("brand_new")])
  }

  @Test func `a nested text part is found`() throws {
    let nested: JSON = ["model_type": "llava", "text_config": tiny, "vision_config": ["hidden_size": 4]]
    let description = try describe(nested)
    #expect(description.architecture.modelType == "llama")
    #expect(description.notes == [.towerLeftOut("vision")])
  }

  @Test func `a window counts from the layer that the file names`() throws {
    var configuration = with("model_type", "qwen2")
    configuration = with("sliding_window", 32, in: configuration)
    configuration = with("max_window_layers", 1, in: configuration)
    let off = try describe(configuration).architecture.layers.map { $0.mixers[0].cache?.window }
    #expect(off == [nil, nil])
    let on = try describe(with("use_sliding_window", true, in: configuration)).architecture.layers
    #expect(on.map { $0.mixers[0].cache?.window } == [nil, 32])
  }

  // Source: tiiuae/falcon-7b's configuration states 71 key-value heads and multi-query attention, which has one.
  @Test func `multi-query attention overrules a stated number of heads`() throws {
    let falcon: JSON = [
      "model_type": "falcon", "hidden_size": 4544, "num_hidden_layers": 32, "num_attention_heads": 71,
      "num_kv_heads": 71, "multi_query": true, "new_decoder_architecture": false, "parallel_attn": true,
      "bias": false, "vocab_size": 65024,
    ]
    let description = try describe(falcon)
    #expect(description.architecture.cacheElements(tokens: 1) == 32 * 2 * 64)
    #expect(description.parametersTotal == 6_921_720_704)
  }

  // Source: google/gemma-3-4b-it's configuration, which leaves heads and vocabulary to the class; of the repository's
  // 4,300,079,472 parameters 419,816,304 are the vision tower and its projector.
  @Test func `keys that a file leaves to its class have the class's values`() throws {
    let gemma: JSON = [
      "model_type": "gemma3",
      "text_config": [
        "hidden_size": 2560, "intermediate_size": 10240, "model_type": "gemma3_text", "num_hidden_layers": 34,
        "sliding_window": 1024,
      ],
    ]
    let description = try describe(gemma)
    #expect(description.parametersTotal == 4_300_079_472 - 419_816_304)
    #expect(description.architecture.hasTiedEmbeddings)
  }

  @Test func `rotary settings are read from the newer nested form`() throws {
    let parameters: JSON = ["rope_type": "linear", "factor": 4.0, "rope_theta": 1000.0, "partial_rotary_factor": 0.5]
    let rope = try describe(with("rope_parameters", parameters, in: with("rope_theta", nil))).architecture.forward.rope
    #expect(rope == RopeRules(base: 1000, width: 1, scaling: .linear(factor: 4)))
  }
}

@Suite struct ConfigurationErrorTests {
  @Test(arguments: ["hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size", "intermediate_size"])
  func `a missing key is named`(key: String) {
    guard case .missingKey("config.json", let missing, _, "llama") = error(of: with(key, nil)) else {
      Issue.record("\(key): \(String(describing: error(of: with(key, nil))))")
      return
    }
    #expect(missing == key || key == "vocab_size" && missing == "padded_vocab_size")
  }

  @Test func `a number that cannot be is refused with its range`() {
    #expect(
      error(of: with("num_hidden_layers", 5000))
        == .outOfRange(file: "config.json", key: "num_hidden_layers", value: 5000, allowed: 1...4096))
    #expect(
      error(of: with("hidden_size", -4096))
        == .outOfRange(file: "config.json", key: "hidden_size", value: -4096, allowed: 1...16_777_216))
    #expect(
      error(of: with("hidden_size", "wide"))
        == .wrongType(file: "config.json", key: "hidden_size", expected: "a whole number", found: "a word"))
  }

  @Test func `numbers that only together are too large are refused`() {
    var configuration = with("hidden_size", 16_777_216)
    configuration = with("intermediate_size", 16_777_216, in: configuration)
    configuration = with("num_hidden_layers", 4096, in: configuration)
    #expect(error(of: configuration) == .tooLarge(file: "config.json", what: "more than 2^56 parameters"))
  }

  @Test func `a list of layers that is too short is refused`() {
    let configuration = with("layer_types", ["sliding_attention"], in: with("sliding_window", 16))
    #expect(error(of: configuration) == .listTooShort(file: "config.json", key: "layer_types", count: 1, needed: 2))
  }

  @Test func `something other than an object is refused`() {
    #expect(error(of: ["llama"]) == .notAnObject(file: "config.json"))
  }

  @Test func `every sentence names the file and says what to do`() throws {
    let problem = try #require(error(of: with("hidden_size", nil)))
    #expect(
      problem.message
        == "'config.json' (model type 'llama') has no key 'hidden_size', nor 'n_embd', 'd_model', 'model_dim'.")
    #expect(!problem.remedy.isEmpty)
    #expect(problem.exitCode == .badInput)
  }
}
