// SPDX-License-Identifier: Apache-2.0
internal import JSONText
internal import LanguageModel
internal import ModelFiles

extension TrainedFile {
  /// Writes the factors alone: as a GGUF adapter where the name says so, or else as PEFT's folder.
  ///
  /// - Returns: the bytes of what was written.
  func writeAdapter(_ lora: LoRASettings, to path: String) throws -> Int {
    path.lowercased().hasSuffix(".gguf") ? try writeGGUFAdapter(lora, to: path) : try writePEFT(lora, to: path)
  }

  /// A GGUF adapter, which llama.cpp applies beside the model.
  ///
  /// - Source: the keys of the GGUF specification (adapters) and of gguf-py's constants.
  private func writeGGUFAdapter(_ lora: LoRASettings, to path: String) throws -> Int {
    var writer = GGUFWriter()
    writer.set("general.architecture", .string(start.architecture))
    writer.set("general.type", .string("adapter"))
    if let name = start.metadata["general.name"] { writer.set("general.name", name) }
    writer.set("adapter.type", .string("lora"))
    writer.set("adapter.lora.alpha", .float32(Float(lora.alpha)))
    describe(&writer)
    let slots = network.parameters.slots
    for slot in slots {
      let suffix = slot.part == .adapterInner ? ".lora_a" : ".lora_b"
      writer.add(tensor: slot.key.name + suffix, dimensions: [slot.columns, slot.rows], format: .f32)
    }
    try writer.write(to: path) { index, sink in try sink(UnsafeRawBufferPointer(values(of: slots[index]))) }
    return writer.fileBytes
  }

  private func values(of slot: ParameterStore<Float>.Slot) -> UnsafeBufferPointer<Float> {
    UnsafeBufferPointer(start: network.parameters.values.address + slot.offset, count: slot.range.count)
  }

  // MARK: PEFT

  /// A folder with `adapter_config.json` and `adapter_model.safetensors`, for a checkpoint of the same model.
  ///
  /// Rows of the outer factors of queries and keys are in the order of checkpoints.
  /// - Source: the layout that PEFT's `save_pretrained` writes.
  private func writePEFT(_ lora: LoRASettings, to path: String) throws -> Int {
    let slots = network.parameters.slots
    var writer = SafetensorsWriter()
    writer.metadata += [
      (Provenance.variantKey, variant), (Provenance.versionKey, toolVersion), (Provenance.sourceKey, sourceName),
      (Provenance.trainingKey, summary),
    ]
    for slot in slots {
      guard let name = LlamaCheckpoint.name(of: slot.key.role, layer: slot.key.layer) else {
        throw TrainingError.missingTensor(slot.key.name)
      }
      let factor = slot.part == .adapterInner ? ".lora_A.weight" : ".lora_B.weight"
      writer.add("base_model.model." + Self.module(name) + factor, .f32, [slot.rows, slot.columns])
    }
    let folder = try FolderWriter(path: path)
    do {
      try writer.write(to: folder.partial + "/adapter_model.safetensors") { index, sink in
        try ordered(slots[index]).withUnsafeBytes { try sink($0) }
      }
      try folder.write(configuration(lora).text(pretty: true), as: "adapter_config.json")
      try folder.finish()
    } catch {
      folder.abandon()
      throw error
    }
    return writer.dataBytes
  }

  /// `model.layers.0.self_attn.q_proj.weight` without its last word.
  private static func module(_ name: String) -> String { String(name.dropLast(".weight".count)) }

  /// A factor's numbers, row by row as a checkpoint has them.
  private func ordered(_ slot: ParameterStore<Float>.Slot) -> [Float] {
    let values = values(of: slot)
    let isRotated = [.attentionQuery, .attentionKey].contains(slot.key.role)
    guard slot.part == .adapterOuter, isRotated, network.shape.rope.pairing == .neighbours else { return Array(values) }
    let headWidth = network.shape.layers[slot.key.layer].headWidth
    return (0..<slot.rows).flatMap { row in
      let first = LlamaCheckpoint.ggufRow(of: row, headWidth: headWidth) * slot.columns
      return values[first..<first + slot.columns]
    }
  }

  private func configuration(_ lora: LoRASettings) -> JSON {
    let modules = lora.targets.compactMap { LlamaCheckpoint.name(of: $0, layer: 0) }.map { name in
      Self.module(name).split(separator: ".").last.map(String.init) ?? name
    }
    return [
      "peft_type": "LORA", "task_type": "CAUSAL_LM",
      "base_model_name_or_path": .string(start.metadata.string("general.name") ?? sourceName),
      "r": .integer(Int64(lora.rank)), "lora_alpha": .number(lora.alpha), "lora_dropout": .number(0),
      "target_modules": .array(modules.map { .string($0) }), "bias": "none", "fan_in_fan_out": .bool(false),
      "use_rslora": .bool(false), "use_dora": .bool(false), "inference_mode": .bool(true),
    ]
  }
}
