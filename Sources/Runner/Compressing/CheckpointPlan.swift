// SPDX-License-Identifier: Apache-2.0
internal import Compression
internal import Evidence
internal import Inference
internal import JSONText
internal import LanguageModel
internal import ModelFiles
internal import Quantities

/// What a compression will write into a checkpoint's folder: safetensors, a configuration, the vocabulary.
struct CheckpointPlan {
  let model: WorkingModel
  let request: CompressionRequest
  let toolVersion: String
  private let names: CheckpointNames
  private let configuration: CheckpointConfiguration

  /// - Throws: `CompressorError.notExpressible`; `ModelFileError`.
  init(_ model: WorkingModel, _ request: CompressionRequest, toolVersion: String) throws {
    self.model = model
    self.request = request
    self.toolVersion = toolVersion
    names = try CheckpointNames(model)
    configuration = try CheckpointConfiguration(model, request)
  }

  /// Refuses what no checkpoint holds.
  ///
  /// - Throws: `CompressorError`.
  static func check(_ request: CompressionRequest) throws {
    switch request.variant.storage {
    case nil, .uniform(.f16), .uniform(.bf16), .uniform(.f32): break
    case .linearLayers(.awq(4, _)), .linearLayers(.gptq), .linearLayers(.normalFloat4), .linearLayers(.sparse): break
    default: throw CompressorError.notCheckpoint(variant: request.variant.name)
    }
    if request.variant.structure.contains(where: { if case .lowRank = $0 { true } else { false } }) {
      throw CompressorError.notCheckpoint(variant: request.variant.name)
    }
    if let metadata = request.source.metadata, metadata["general.architecture"]?.stringValue != "llama" {
      throw CompressorError.notExpressible(
        reason: "only GGUF files of the architecture 'llama' are written as a checkpoint")
    }
  }

  func write(_ watch: Watch, _ record: inout CompressionRecord) throws {
    let folder = try FolderWriter(path: request.output)
    do {
      try writeWeights(to: folder.partial + "/model.safetensors", watch, &record)
      try folder.write(configuration.json.text(pretty: true), as: "config.json")
      if let source = names.folder {
        for name in Self.vocabularyFiles { try folder.copy(name, from: source) }
      } else if let metadata = model.file.metadata {
        for (name, json) in try TokenizerFiles.made(of: metadata, path: model.weights.path) {
          try folder.write(json.text(pretty: name != "tokenizer.json"), as: name)
        }
      }
      try folder.finish()
    } catch {
      folder.abandon()
      throw error
    }
  }

  private static let vocabularyFiles = [
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "generation_config.json",
    "chat_template.jinja", "tokenizer.model", "vocab.json", "merges.txt",
  ]

  private func writeWeights(to path: String, _ watch: Watch, _ record: inout CompressionRecord) throws {
    var writer = SafetensorsWriter()
    writer.metadata += [(Provenance.variantKey, request.resultName), (Provenance.versionKey, toolVersion)]
    let source = model.file.weights?.path ?? ""
    writer.metadata.append((Provenance.sourceKey, source.split(separator: "/").last.map(String.init) ?? source))
    if let text = request.calibration { writer.metadata.append((Provenance.calibrationKey, text.name)) }
    if !model.notes.isEmpty { writer.metadata.append((Provenance.stepsKey, model.notes.joined(separator: "; "))) }
    let indices = Array(model.description.inventory.tensors.indices)
    // Names and shapes first; the values come when they are written.
    var places: [(tensor: Int, part: Int)] = []
    for index in indices {
      for (place, part) in try parts(of: index).enumerated() {
        writer.add(part.name, part.element, part.shape)
        places.append((index, place))
      }
    }
    var ready: (tensor: Int, parts: [CheckpointPart])?
    try writer.write(to: path) { index, sink in
      let place = places[index]
      if ready?.tensor != place.tensor {
        try watch.step("\(writer.tensors[index].name) (\(index + 1) of \(writer.tensors.count))")
        ready = (place.tensor, try parts(of: place.tensor))
      }
      try ready?.parts[place.part].write(sink)
    }
    for index in indices {
      let bytes = places.indices.filter { places[$0].tensor == index }.reduce(0) { $0 + writer.tensors[$1].byteCount }
      record.add(format: format(ofTensor: index), bytes: bytes, squares: 0, signal: 0)
    }
    record.bytes = ByteCount(writer.dataBytes)
    record.bitsPerWeight = Double(writer.dataBytes) * 8 / Double(max(1, model.description.parametersTotal))
  }

  private func format(ofTensor index: Int) -> String {
    let tensor = model.description.inventory.tensors[index]
    guard isLinear(index), case .linearLayers(let format) = request.variant.storage else {
      return element(of: tensor).rawValue.lowercased()
    }
    return format.name
  }

  private func isLinear(_ index: Int) -> Bool {
    guard model.description.inventory.tensors[index].isLinearLayer else { return false }
    switch request.variant.storage {
    case .linearLayers(.normalFloat4), .linearLayers(.sparse): return true
    default: return model.packings[model.description.inventory.fileNames[index]] != nil
    }
  }

  /// 16-bit floats for matrices, or what the variant says; vectors as they are.
  private func element(of tensor: TensorDescription) -> SafetensorsElement {
    let wanted: StorageFormat =
      switch request.variant.storage {
      case .uniform(let format): .block(format)
      case nil: tensor.format
      default: .f16
      }
    switch tensor.isVector ? tensor.format : wanted {
    case .bf16: return .bf16
    case .f32: return .f32
    default: return .f16
    }
  }

  /// The tensors of a checkpoint that stand for one of the model.
  private func parts(of index: Int) throws -> [CheckpointPart] {
    let tensor = model.description.inventory.tensors[index]
    let name = names.name(of: index)
    let source = names.sourceRow(of: index)
    if isLinear(index), case .linearLayers(let format) = request.variant.storage {
      let base = name.hasSuffix(".weight") ? String(name.dropLast(7)) : name
      let packing = model.packings[model.description.inventory.fileNames[index]]
      switch (format, packing) {
      case (.awq, let packing?): return packing.awqParts(base, source: source)
      case (.gptq, let packing?): return packing.gptqParts(base, source: source)
      case (.normalFloat4(let isDouble), _):
        return NormalFloats.parts(
          base, rows: Int(tensor.rows), columns: Int(tensor.columns), isDouble: isDouble,
          values: try values(of: index, source))
      case (.sparse(let pattern), _):
        return KeptParts.parts(
          base, rows: Int(tensor.rows), columns: Int(tensor.columns), pattern: pattern,
          values: try values(of: index, source))
      default: break
      }
    }
    let element = element(of: tensor)
    let shape = tensor.isVector ? [Int(tensor.columns)] : [Int(tensor.rows), Int(tensor.columns)]
    return [
      CheckpointPart(name, element, shape) { sink in
        let values = try values(of: index, source)
        switch element {
        case .f16: try values.map { Float16($0) }.withUnsafeBytes { try sink($0) }
        case .bf16: try values.map(Self.bfloat).withUnsafeBytes { try sink($0) }
        default: try values.withUnsafeBytes { try sink($0) }
        }
      }
    ]
  }

  /// The upper half of a 32-bit float, rounded to the nearest even.
  private static func bfloat(_ value: Float) -> UInt16 {
    let bits = value.bitPattern
    return UInt16(truncatingIfNeeded: (bits &+ 0x7FFF &+ (bits >> 16 & 1)) >> 16)
  }

  /// All rows in the order of the checkpoint.
  private func values(of index: Int, _ source: (Int) -> Int) throws -> [Float] {
    let tensor = model.weights.inventory.tensors[index]
    guard case .block(let format) = tensor.format, [.f32, .f16, .bf16].contains(format),
      let codec = BlockCodec(format), let address = model.weights.bytes(ofTensor: index).baseAddress
    else {
      throw CompressorError.alreadyQuantised(
        path: model.weights.path, tensor: model.description.inventory.fileNames[index], format: tensor.format.name)
    }
    let columns = Int(tensor.columns)
    var values = [Float](repeating: 0, count: tensor.elements)
    values.withUnsafeMutableBufferPointer { values in
      for row in 0..<tensor.elements / max(1, columns) {
        let place = UnsafeMutableBufferPointer(rebasing: values[row * columns..<(row + 1) * columns])
        codec.decode(address + source(row) * codec.byteCount(of: columns), into: place)
      }
    }
    return values
  }
}
