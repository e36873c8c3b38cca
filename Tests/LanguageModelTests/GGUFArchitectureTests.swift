// SPDX-License-Identifier: Apache-2.0
import LanguageModel
import Profiles
import TestSupport
import Testing

/// Metadata as a GGUF file would hold it.
private struct FakeMetadata: MetadataLookup {
  enum Value {
    case integer(Int)
    case number(Double)
    case string(String)
    case integers([Int])
  }
  var values: [String: Value] = [:]

  subscript(key: String) -> Value? {
    get { values[key] }
    set { values[key] = newValue }
  }
  func integer(_ key: String) -> Int? { if case .integer(let value) = values[key] { value } else { nil } }
  func number(_ key: String) -> Double? {
    if case .number(let value) = values[key] { value } else { integer(key).map(Double.init) }
  }
  func string(_ key: String) -> String? { if case .string(let value) = values[key] { value } else { nil } }
  func flag(_ key: String) -> Bool? { nil }
  func integers(_ key: String) -> [Int]? { if case .integers(let value) = values[key] { value } else { nil } }
  func arrayCount(_ key: String) -> Int? { integers(key)?.count }
}

/// What llama.cpp's converter writes for a described model, as far as shapes go.
private func metadata(of architecture: ModelArchitecture, named name: String) -> FakeMetadata {
  var result = FakeMetadata()
  result["general.architecture"] = .string(name)
  result["\(name).block_count"] = .integer(architecture.layers.count)
  result["\(name).embedding_length"] = .integer(architecture.hiddenSize)
  result["\(name).context_length"] = architecture.contextLength.map { .integer($0) }
  result["\(name).attention.layer_norm_rms_epsilon"] = .number(architecture.forward.normEpsilon)
  result["\(name).rope.freq_base"] = .number(architecture.forward.rope.base)
  var heads: [Int] = []
  var pairs: [Int] = []
  var windows: [Int] = []
  var sharing = 0
  for layer in architecture.layers {
    heads.append(0)
    pairs.append(0)
    windows.append(0)
    if let feedForward = layer.feedForward, feedForward.experts > 0 {
      result["\(name).expert_used_count"] = .integer(feedForward.activeExperts)
    }
    for mixer in layer.mixers {
      switch mixer {
      case .attention(let shape):
        heads[heads.count - 1] = shape.heads
        pairs[pairs.count - 1] = shape.keyValueHeads
        result["\(name).attention.key_length"] = .integer(shape.keyWidth)
        result["\(name).attention.value_length"] = .integer(shape.valueWidth)
        if let window = shape.window {
          windows[windows.count - 1] = 1
          result["\(name).attention.sliding_window"] = .integer(window)
        }
        if !shape.hasOwnCache { sharing += 1 }
      case .latentAttention(let shape):
        heads[heads.count - 1] = shape.heads
        pairs[pairs.count - 1] = 1
        result["\(name).attention.kv_lora_rank"] = .integer(shape.keyValueRank)
        result["\(name).attention.key_length_mla"] = .integer(shape.plainWidth + shape.ropeWidth)
        result["\(name).attention.value_length_mla"] = .integer(shape.valueWidth)
      case .recurrent: break
      }
    }
  }
  result["\(name).attention.head_count"] = .integers(heads)
  result["\(name).attention.head_count_kv"] = .integers(pairs)
  result["\(name).attention.sliding_window_pattern"] = .integers(windows)
  if sharing > 0 { result["\(name).attention.shared_kv_layers"] = .integer(sharing) }
  return result
}

@Suite struct GGUFArchitectureTests {
  // One model of each kind of layer; what the file's metadata and tensor table say must be what the configuration says.
  @Test(arguments: [
    ("meta-llama/Llama-3.1-8B", "llama"), ("Qwen/Qwen2.5-0.5B", "qwen2"), ("mistralai/Mixtral-8x7B-v0.1", "llama"),
    ("google/gemma-3-1b-it", "gemma3"), ("google/gemma-3n-E4B-it", "gemma3n"), ("google/gemma-4-E2B-it", "gemma4"),
    ("microsoft/Phi-3-mini-4k-instruct", "phi3"), ("openai/gpt-oss-20b", "gpt-oss"), ("tiiuae/falcon-7b", "falcon"),
    ("openai-community/gpt2", "gpt2"), ("deepseek-ai/DeepSeek-V2-Lite", "deepseek2"),
    ("Qwen/Qwen1.5-MoE-A2.7B", "qwen2moe"), ("LiquidAI/LFM2-1.2B", "lfm2"), ("apple/OpenELM-270M", "openelm"),
    ("nvidia/Llama-3_3-Nemotron-Super-49B-v1", "deci"), ("zai-org/GLM-4.5-Air", "glm4moe"),
  ])
  func `a file's header gives the layers of the configuration`(identifier: String, name: String) throws {
    let catalogue = try ModelCatalogue.builtIn()
    let described = try catalogue.describe(catalogue.entry(named: identifier))
    var header = metadata(of: described.architecture, named: name)
    if name == "phi3" { header["phi3.attention.sliding_window_pattern"] = nil }
    let read = try ModelArchitecture(metadata: header, inventory: described.inventory, file: "model.gguf")
    #expect(read.layers.count == described.architecture.layers.count)
    for (mine, theirs) in zip(read.layers, described.architecture.layers) {
      var expected = theirs
      // llama.cpp applies no window to Phi-3.
      if name == "phi3", case .attention(var shape) = expected.mixers[0] {
        shape.window = nil
        expected.mixers[0] = .attention(shape)
      }
      guard mine != expected else { continue }
      Issue.record("\(identifier): \(mine) is not \(expected)")
      break
    }
    #expect(read.vocabularySize == described.architecture.vocabularySize)
    #expect(read.hasTiedEmbeddings == described.architecture.hasTiedEmbeddings)
    #expect(read.contextLength == described.architecture.contextLength)
  }

  // Source: gguf-py writes d_inner, d_state and d_conv of Mamba under these keys.
  @Test(arguments: [
    ("state-spaces/mamba-130m-hf", 1536, 16), ("state-spaces/mamba2-130m", 1536, 128),
    ("Qwen/Qwen3-Next-80B-A3B-Instruct", 4096, 128), ("tiiuae/Falcon-H1-0.5B-Instruct", 1536, 128),
  ])
  func `a recurrent layer's state follows from the header`(identifier: String, inner: Int, size: Int) throws {
    let catalogue = try ModelCatalogue.builtIn()
    let described = try catalogue.describe(catalogue.entry(named: identifier))
    var header = metadata(of: described.architecture, named: "hybrid")
    header["hybrid.ssm.inner_size"] = .integer(inner)
    header["hybrid.ssm.state_size"] = .integer(size)
    let read = try ModelArchitecture(metadata: header, inventory: described.inventory, file: "model.gguf")
    #expect(read.stateElements == described.architecture.stateElements)
    #expect(read.cacheElements(tokens: 1000) == described.architecture.cacheElements(tokens: 1000))
  }

  @Test func `llama files rotate neighbours, qwen files halves`() throws {
    let catalogue = try ModelCatalogue.builtIn()
    for (identifier, name, pairing) in [
      ("meta-llama/Llama-3.1-8B", "llama", RopeRules.Pairing.neighbours),
      ("Qwen/Qwen2.5-0.5B", "qwen2", .halves),
    ] {
      let described = try catalogue.describe(catalogue.entry(named: identifier))
      let header = metadata(of: described.architecture, named: name)
      let read = try ModelArchitecture(metadata: header, inventory: described.inventory, file: "model.gguf")
      #expect(read.forward.rope.pairing == pairing)
      #expect(read.forward.normEpsilon == described.architecture.forward.normEpsilon)
      #expect(read.modelType == name)
    }
  }

  @Test func `Gemma 2's alternation is known without a pattern in the file`() throws {
    let catalogue = try ModelCatalogue.builtIn()
    let described = try catalogue.describe(catalogue.entry(named: "google/gemma-2-2b-it"))
    var header = metadata(of: described.architecture, named: "gemma2")
    header["gemma2.attention.sliding_window_pattern"] = nil
    let read = try ModelArchitecture(metadata: header, inventory: described.inventory, file: "model.gguf")
    #expect(read.layers == described.architecture.layers)
  }

  @Test func `a header without what is needed is refused by name`() throws {
    let catalogue = try ModelCatalogue.builtIn()
    let described = try catalogue.describe(catalogue.entry(named: "Qwen/Qwen2.5-0.5B"))
    let whole = metadata(of: described.architecture, named: "qwen2")
    for key in ["general.architecture", "qwen2.block_count", "qwen2.embedding_length"] {
      var header = whole
      header[key] = nil
      #expect(throws: ConfigurationError.self, "\(key)") {
        try ModelArchitecture(metadata: header, inventory: described.inventory, file: "model.gguf")
      }
    }
    #expect(throws: ConfigurationError.self) {
      try ModelArchitecture(metadata: whole, inventory: TensorInventory(tensors: []), file: "vocabulary.gguf")
    }
  }

  @Test(arguments: [UInt64](1...4))
  func `damaged metadata is described or refused, never fatal`(seed: UInt64) throws {
    let catalogue = try ModelCatalogue.builtIn()
    var random = SeededRandom(seed: seed)
    let described = try [
      "Qwen/Qwen2.5-0.5B", "deepseek-ai/DeepSeek-V2-Lite", "google/gemma-3-1b-it", "ai21labs/Jamba-v0.1",
    ]
    .map { try catalogue.describe(catalogue.entry(named: $0)) }
    let numbers = [0, 1, -1, 7, 4096, 1 << 16, 1 << 24, 1 << 32, .max, .min]
    for _ in 0..<250 {
      let model = described[Int.random(in: 0..<described.count, using: &random)]
      var header = metadata(of: model.architecture, named: "damaged")
      header["damaged.ssm.inner_size"] = .integer(8192)
      header["damaged.ssm.state_size"] = .integer(16)
      for key in header.values.keys.sorted() where Int.random(in: 0..<8, using: &random) == 0 {
        let number = numbers[Int.random(in: 0..<numbers.count, using: &random)]
        let choices: [FakeMetadata.Value?] = [
          nil, .integer(number), .integers([number, 2, 3]), .integers([Int](repeating: number, count: 5000)),
          .string("damaged"), .number(1e300),
        ]
        header[key] = choices[Int.random(in: 0..<choices.count, using: &random)]
      }
      var inventory = model.inventory
      for index in inventory.tensors.indices where Int.random(in: 0..<200, using: &random) == 0 {
        inventory.tensors[index].rows = [0, 1, 77, .max].randomElement(using: &random) ?? 1
        inventory.tensors[index].columns = [0, 1, 77, .max].randomElement(using: &random) ?? 1
      }
      do throws(ConfigurationError) {
        let read = try ModelArchitecture(metadata: header, inventory: inventory, file: "damaged.gguf")
        #expect(read.cacheElements(tokens: 1 << 20) >= 0)
        #expect(read.stateElements >= 0)
      } catch {
        #expect(error.message.contains("'damaged.gguf'"))
      }
    }
  }
}
