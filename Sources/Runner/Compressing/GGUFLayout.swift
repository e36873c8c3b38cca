// SPDX-License-Identifier: Apache-2.0
internal import Compression
internal import LanguageModel
internal import ModelFiles

/// The metadata and tensor list of a variant's GGUF file.
struct GGUFLayout {
  let model: WorkingModel
  let target: TensorInventory
  let request: CompressionRequest
  let toolVersion: String

  /// - Throws: `CompressorError.notExpressible` when a reader of the file would see another model.
  func writer() throws -> GGUFWriter {
    guard let metadata = model.file.metadata else {
      throw CompressorError.typeNotConverted(path: model.weights.path, type: model.architecture.modelType)
    }
    var writer = GGUFWriter()
    let architecture = metadata["general.architecture"]?.stringValue ?? "llama"
    let shapes = ShapeKeys(model: model, source: metadata, architecture: architecture)
    for key in metadata.keys where !Self.replaced.contains(key) && !key.hasPrefix("split.") {
      if let pair = shapes.pair(key, metadata[key]) { writer.set(pair.key, pair.value) }
    }
    for (key, value) in shapes.added { writer.set(key, value) }
    if let type = request.variant.ggufFileType { writer.set("general.file_type", .uint32(type)) }
    // The version of the block layouts: 2 since 2023.
    writer.set("general.quantization_version", .uint32(2))
    writer.set(Provenance.variantKey, .string(request.resultName))
    writer.set(Provenance.versionKey, .string(toolVersion))
    let source = model.file.weights?.path ?? ""
    writer.set(Provenance.sourceKey, .string(source.split(separator: "/").last.map(String.init) ?? source))
    if let text = request.calibration { writer.set(Provenance.calibrationKey, .string(text.name)) }
    if !model.notes.isEmpty { writer.set(Provenance.stepsKey, .string(model.notes.joined(separator: "; "))) }
    for (tensor, name) in zip(target.tensors, target.fileNames) {
      guard case .block(let format) = tensor.format else { continue }
      writer.add(tensor: name, dimensions: tensor.dimensions, format: format)
    }
    try check(writer)
    return writer
  }

  /// Whether the file says what the model is.
  private func check(_ writer: GGUFWriter) throws {
    let read = try LanguageModelDescription(
      metadata: writer.metadata, inventory: target, name: "", provenance: .ggufFile(path: request.output),
      file: request.output)
    guard read.architecture.layers == model.architecture.layers else {
      throw CompressorError.notExpressible(
        reason: "its layers follow a pattern by their number, which a file without some of them does not say")
    }
  }

  /// Keys that describe the source's own layout.
  private static let replaced: Set<String> = [
    "general.alignment", "general.file_type", "general.quantization_version", Provenance.variantKey,
    Provenance.versionKey, Provenance.sourceKey, Provenance.calibrationKey, Provenance.stepsKey,
  ]
}

/// The keys that say how many layers there are and how wide each is.
private struct ShapeKeys {
  private let model: WorkingModel
  /// As the source and the result call the architecture.
  private let prefix: (old: String, new: String)
  private let layers: (old: Int, new: Int)
  private let widths: PerLayerWidths?
  private let kept: [Int]

  init(model: WorkingModel, source: GGUFMetadata, architecture: String) {
    self.model = model
    layers = (model.file.description.architecture.layers.count, model.architecture.layers.count)
    kept = model.keptLayers ?? Array(0..<layers.new)
    let changed = PerLayerWidths(model.architecture)
    widths = changed == PerLayerWidths(model.file.description.architecture) || changed == nil ? nil : changed
    // Only some architectures of llama.cpp may differ in width from layer to layer; this one is otherwise a llama.
    let isUneven = widths?.isUneven ?? false
    prefix = (architecture, isUneven && architecture == "llama" ? "deci" : architecture)
  }

  private var own: Set<String> {
    var keys = ["block_count"]
    if widths != nil { keys += ["attention.head_count", "attention.head_count_kv", "feed_forward_length"] }
    if prefix.old != prefix.new || widths != nil {
      keys += ["attention.key_length", "attention.value_length", "rope.dimension_count"]
    }
    return Set(keys)
  }

  /// A pair of the source as the result has it; nil for one that is written anew.
  func pair(_ key: String, _ value: GGUFValue?) -> (key: String, value: GGUFValue)? {
    guard let value else { return nil }
    if key == "general.architecture" { return (key, .string(prefix.new)) }
    guard key.hasPrefix(prefix.old + ".") else { return (key, value) }
    let name = String(key.dropFirst(prefix.old.count + 1))
    guard !own.contains(name) else { return nil }
    return ("\(prefix.new).\(name)", ofKeptLayers(value))
  }

  /// Of a list with a value for each layer, those of the layers that are left.
  private func ofKeptLayers(_ value: GGUFValue) -> GGUFValue {
    guard layers.old != layers.new, let array = value.arrayValue, array.count == layers.old else { return value }
    if let numbers = array.integers { return .array(GGUFArray(kept.map { Int32(clamping: numbers[$0]) })) }
    if let flags = array.booleans { return .array(GGUFArray(kept.map { flags[$0] })) }
    if let floats = array.floats { return .array(GGUFArray(kept.map { floats[$0] })) }
    return value
  }

  var added: [(String, GGUFValue)] {
    var pairs: [(String, GGUFValue)] = [("block_count", .uint32(UInt32(layers.new)))]
    if let widths {
      pairs += [
        ("attention.head_count", widths.value(widths.heads)),
        ("attention.head_count_kv", widths.value(widths.keyValueHeads)),
        ("feed_forward_length", widths.value(widths.channels)),
        ("attention.key_length", .uint32(UInt32(widths.keyWidth))),
        ("attention.value_length", .uint32(UInt32(widths.valueWidth))),
        (
          "rope.dimension_count",
          .uint32(UInt32(model.architecture.forward.rope.width ?? widths.keyWidth))
        ),
      ]
    }
    return pairs.map { ("\(prefix.new).\($0.0)", $0.1) }
  }
}

/// The widths of a model of plain attention and dense feed-forward layers; nil for any other.
private struct PerLayerWidths: Equatable {
  var heads: [Int] = []
  var keyValueHeads: [Int] = []
  var channels: [Int] = []
  var keyWidth = 0
  var valueWidth = 0

  init?(_ architecture: ModelArchitecture) {
    for layer in architecture.layers {
      guard case .attention(let attention) = layer.mixers.first, let part = layer.feedForward, part.experts == 0 else {
        return nil
      }
      heads.append(attention.heads)
      keyValueHeads.append(attention.keyValueHeads)
      channels.append(part.width)
      (keyWidth, valueWidth) = (attention.keyWidth, attention.valueWidth)
    }
  }

  /// Layers removed count as no change of width.
  static func == (left: PerLayerWidths, right: PerLayerWidths) -> Bool {
    !left.isUneven && !right.isUneven && left.heads.first == right.heads.first
      && left.keyValueHeads.first == right.keyValueHeads.first && left.channels.first == right.channels.first
  }

  var isUneven: Bool { [heads, keyValueHeads, channels].contains { Set($0).count > 1 } }

  func value(_ numbers: [Int]) -> GGUFValue {
    isUneven ? .array(GGUFArray(numbers.map { Int32($0) })) : .uint32(UInt32(numbers[0]))
  }
}

extension TensorDescription {
  /// Lengths as a GGUF file lists them, the contiguous one first.
  var dimensions: [Int] {
    if isVector { return [Int(columns)] }
    return copies > 1 ? [Int(columns), Int(rows), Int(copies)] : [Int(columns), Int(rows)]
  }
}
