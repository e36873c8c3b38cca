// SPDX-License-Identifier: Apache-2.0
internal import Compression
internal import Inference
internal import JSONText
internal import LanguageModel
internal import ModelFiles

/// How a checkpoint calls the tensors, and in which order it keeps their rows.
struct CheckpointNames {
  /// The source's folder, when it is a checkpoint itself: then names and rows stay.
  let folder: String?
  private let model: WorkingModel
  /// GGUF files keep the rows of queries and keys in the order of neighbouring pairs, checkpoints that of halves.
  private let reordersPairs: Bool

  /// - Throws: `CompressorError.notExpressible` for a tensor that has no name in a checkpoint.
  init(_ model: WorkingModel) throws {
    self.model = model
    folder = model.file.metadata == nil ? try ModelFile.configuration(of: model.weights.path)?.folder : nil
    reordersPairs = model.file.metadata != nil && model.architecture.forward.rope.pairing == .neighbours
    guard model.file.metadata != nil else { return }
    for (index, tensor) in model.description.inventory.tensors.enumerated() where Self.name(of: tensor) == nil {
      throw CompressorError.notExpressible(
        reason: "a checkpoint has no name for '\(model.description.inventory.fileNames[index])'")
    }
  }

  func name(of index: Int) -> String {
    let own = model.description.inventory.fileNames[index]
    return folder != nil ? own : Self.name(of: model.description.inventory.tensors[index]) ?? own
  }

  private static func name(of tensor: TensorDescription) -> String? {
    tensor.part == .whole ? LlamaCheckpoint.name(of: tensor.role, layer: Int(tensor.layer)) : nil
  }

  /// The row of the model for each row of the checkpoint.
  func sourceRow(of index: Int) -> (Int) -> Int {
    let tensor = model.description.inventory.tensors[index]
    guard reordersPairs, tensor.layer >= 0, [.attentionQuery, .attentionKey].contains(tensor.role),
      case .attention(let attention) = model.architecture.layers[Int(tensor.layer)].mixers.first
    else { return { $0 } }
    return { LlamaCheckpoint.ggufRow(of: $0, headWidth: attention.keyWidth) }
  }
}

/// The `config.json` of a compressed checkpoint.
struct CheckpointConfiguration {
  let json: JSON

  /// - Throws: `CompressorError.notExpressible` for layers of different widths; `ModelFileError`.
  init(_ model: WorkingModel, _ request: CompressionRequest) throws {
    let attentions = model.architecture.layers.compactMap { layer -> Attention? in
      if case .attention(let attention) = layer.mixers.first { attention } else { nil }
    }
    let widths = model.architecture.layers.map { $0.feedForward?.width ?? 0 }
    guard let attention = attentions.first, attentions.count == widths.count,
      attentions.allSatisfy({ $0.heads == attention.heads && $0.keyValueHeads == attention.keyValueHeads }),
      Set(widths).count == 1
    else { throw CompressorError.notExpressible(reason: "a checkpoint's layers all have the same widths") }
    var members: [JSON.Member] =
      if model.file.metadata == nil, let own = try ModelFile.configuration(of: model.weights.path)?.json.members {
        own.filter { $0.key != "quantization_config" }
      } else {
        Self.llama(model)
      }
    func set(_ key: String, _ value: JSON) {
      if let place = members.firstIndex(where: { $0.key == key }) {
        members[place].value = value
      } else {
        members.append(.init(key, value))
      }
    }
    set("num_hidden_layers", .integer(Int64(widths.count)))
    set("num_attention_heads", .integer(Int64(attention.heads)))
    set("num_key_value_heads", .integer(Int64(attention.keyValueHeads)))
    set("head_dim", .integer(Int64(attention.keyWidth)))
    set("intermediate_size", .integer(Int64(widths[0])))
    if let kept = model.keptLayers, let types = members.first(where: { $0.key == "layer_types" })?.value.arrayValue {
      set("layer_types", .array(kept.map { types[$0] }))
    }
    if let quantisation = Self.quantisation(model, request) { set("quantization_config", quantisation) }
    json = .object(members)
  }

  private static func llama(_ model: WorkingModel) -> [JSON.Member] {
    let (shape, rules) = (model.architecture, model.architecture.forward)
    func token(_ key: String) -> JSON {
      model.file.metadata?["tokenizer.ggml.\(key)_token_id"]?.intValue.map { .integer(Int64($0)) } ?? .null
    }
    return [
      .init("architectures", ["LlamaForCausalLM"]), .init("model_type", "llama"), .init("torch_dtype", "float16"),
      .init("vocab_size", .integer(Int64(shape.vocabularySize))),
      .init("hidden_size", .integer(Int64(shape.hiddenSize))),
      .init("max_position_embeddings", .integer(Int64(shape.contextLength ?? 2048))),
      .init("rms_norm_eps", .number(rules.normEpsilon)), .init("rope_theta", .number(rules.rope.base)),
      .init("hidden_act", "silu"), .init("tie_word_embeddings", .bool(shape.hasTiedEmbeddings)),
      .init("attention_bias", .bool(model.description.inventory.tensors.contains { $0.role == .attentionQueryBias })),
      .init("bos_token_id", token("bos")), .init("eos_token_id", token("eos")),
    ]
  }

  /// - Source: the `quantization_config` that AutoAWQ, AutoGPTQ and transformers write.
  private static func quantisation(_ model: WorkingModel, _ request: CompressionRequest) -> JSON? {
    guard case .linearLayers(let format) = request.variant.storage else { return nil }
    switch format {
    case .awq(let bits, let group):
      return [
        "quant_method": "awq", "bits": .integer(Int64(bits)), "group_size": .integer(Int64(group)),
        "zero_point": true, "version": "gemm",
      ]
    case .gptq(let bits, let group, let actOrder):
      return [
        "quant_method": "gptq", "bits": .integer(Int64(bits)), "group_size": .integer(Int64(group)),
        "desc_act": .bool(actOrder), "sym": false,
        "damp_percent": .number(Double(ErrorFactor.damping)),
        "true_sequential": false, "checkpoint_format": "gptq",
      ]
    case .normalFloat4(let isDouble):
      return [
        "quant_method": "bitsandbytes", "load_in_4bit": true, "load_in_8bit": false, "bnb_4bit_quant_type": "nf4",
        "bnb_4bit_use_double_quant": .bool(isDouble), "bnb_4bit_compute_dtype": "float16",
        "bnb_4bit_quant_storage": "uint8",
      ]
    case .sparse(let pattern): return KeptParts.configuration(pattern)
    default: return nil
    }
  }
}
