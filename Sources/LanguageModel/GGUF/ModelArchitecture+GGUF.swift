// SPDX-License-Identifier: Apache-2.0

extension ModelArchitecture {
  /// The shapes of the model in a GGUF file, from its metadata and its tensor table.
  ///
  /// The table decides what a layer is made of (the tensors are what will run), the metadata how its matrices divide
  /// into heads: so architectures that this program has never heard of are described too, as long as they name their
  /// tensors as llama.cpp does.
  /// - Throws: ``ConfigurationError`` naming file and key.
  package init(
    metadata lookup: any MetadataLookup, inventory: TensorInventory, file: String
  ) throws(ConfigurationError) {
    let metadata = try MetadataReader(lookup, file: file)
    let blocks = try metadata.integer("block_count", in: 1...ConfigurationReader.Limit.layers)
    guard let blocks else { throw metadata.missing("block_count") }
    // Blocks that predict several tokens stand behind the layers and are not run for one.
    let extra = try metadata.integer("nextn_predict_layers", in: 0...ConfigurationReader.Limit.layers) ?? 0
    let layerCount = max(1, blocks - extra)
    let facts = try GGUFLayerFacts(metadata, layerCount: layerCount)
    let byLayer = LayerTensors.byLayer(inventory, layerCount: layerCount)
    let layers = try byLayer.enumerated().mapThrowing { (item) throws(ConfigurationError) in
      try facts.layer(item.offset, item.element)
    }
    guard layers.contains(where: { !$0.mixers.isEmpty }) else {
      throw .unknownLayerKind(file: file, key: "general.architecture", word: metadata.architecture)
    }
    let modelType = Self.modelTypes[metadata.architecture] ?? metadata.architecture
    self.init(
      modelType: modelType,
      vocabularySize: try Self.vocabularySize(metadata, inventory), hiddenSize: facts.hiddenSize,
      contextLength: try metadata.integer("context_length", in: 0...ConfigurationReader.Limit.context),
      layers: layers, hasTiedEmbeddings: !inventory.tensors.contains { $0.role == .outputHead },
      forward: try ForwardRules(
        metadata, family: .family(of: modelType, hiddenSize: facts.hiddenSize), firstLayer: byLayer[0],
        layerCount: layerCount, headCount: facts.widestHeadCount))
    try checkCache(file: file)
  }

  private static func vocabularySize(
    _ metadata: MetadataReader, _ inventory: TensorInventory
  ) throws(ConfigurationError) -> Int {
    if let table = inventory.tensors.first(where: { $0.role == .tokenEmbedding }) { return Int(table.rows) }
    let tokens = metadata.lookup.arrayCount("tokenizer.ggml.tokens")
    let stated = try metadata.countIfAny("vocab_size")
    guard let count = stated ?? tokens else { throw metadata.missing("vocab_size") }
    return count
  }

  /// Hugging Face's word for the architecture, where GGUF has another.
  ///
  /// - Source: the model classes that llama.cpp's converter registers for each architecture.
  private static let modelTypes: [String: String] = [
    "qwen2moe": "qwen2_moe", "qwen2vl": "qwen2_vl", "qwen3moe": "qwen3_moe", "qwen3next": "qwen3_next",
    "qwen3vl": "qwen3_vl_text", "qwen3vlmoe": "qwen3_vl_moe_text", "qwen35": "qwen3_5_text",
    "qwen35moe": "qwen3_5_moe_text",
    "gemma3": "gemma3_text", "gemma3n": "gemma3n_text", "gemma4": "gemma4_text",
    "phi2": "phi", "gptneox": "gpt_neox", "starcoder": "gpt_bigcode",
    "deepseek2": "deepseek_v2", "gpt-oss": "gpt_oss", "command-r": "cohere", "llama4": "llama4_text",
    "mistral3": "ministral3", "deci": "nemotron-nas", "granitehybrid": "granitemoehybrid",
    "falcon-h1": "falcon_h1", "recurrentgemma": "recurrent_gemma", "lfm2moe": "lfm2_moe", "glm4moe": "glm4_moe",
    "ernie4_5-moe": "ernie4_5_moe", "bailingmoe": "bailing_moe", "bailingmoe2": "bailing_moe_v2",
    "hunyuan-dense": "hunyuan_v1_dense", "minimax-m2": "minimax_m2", "exaone-moe": "exaone_moe",
    "kimi-linear": "kimi_linear", "grok": "grok-1",
  ]
}

extension LanguageModelDescription {
  /// Describes the model of a GGUF file.
  ///
  /// - Throws: ``ConfigurationError`` naming file and key.
  package init(
    metadata: any MetadataLookup, inventory: TensorInventory, name: String, provenance: Provenance, file: String
  ) throws(ConfigurationError) {
    let architecture = try ModelArchitecture(metadata: metadata, inventory: inventory, file: file)
    self.init(name: name, architecture: architecture, inventory: inventory, provenance: provenance)
  }
}
