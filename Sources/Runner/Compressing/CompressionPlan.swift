// SPDX-License-Identifier: Apache-2.0
internal import Compression
internal import Glibc
internal import Inference
internal import LanguageModel
internal import ModelFiles

/// What a compression will write: decided and checked before the first byte.
struct CompressionPlan {
  let weights: any WeightSource
  let target: TensorInventory
  let writer: GGUFWriter

  init(_ request: CompressionRequest, toolVersion: String) throws(CompressorError) {
    let (file, variant) = (request.source, request.variant)
    let inventory = file.description.inventory
    guard variant.isGGUF || variant == .original else { throw .notGGUF(variant: variant.name) }
    guard let weights = file.weights, let metadata = file.metadata else {
      throw .sourceNotGGUF(path: file.weights?.path ?? file.description.name)
    }
    guard !Self.isSame(weights.path, request.output) else { throw .sameFile(path: request.output) }
    guard request.importance != nil || !variant.needsImportanceMatrix else {
      throw .needsCalibration(variant: variant.name)
    }
    self.weights = weights
    var target = variant.inventory(of: inventory, file.description.architecture)
    for index in target.tensors.indices where Self.isKept(inventory.tensors[index]) {
      target.tensors[index].format = inventory.tensors[index].format
    }
    self.target = target
    for index in target.tensors.indices { try Self.check(index, inventory, target, weights.path, variant) }
    writer = Self.writer(target, metadata, request, toolVersion: toolVersion)
  }

  /// Tensors that are no floats are copied.
  private static func isKept(_ tensor: TensorDescription) -> Bool {
    guard case .block(let format) = tensor.format else { return true }
    return BlockCodec(format) == nil
  }

  private static func check(
    _ index: Int, _ source: TensorInventory, _ target: TensorInventory, _ path: String, _ variant: CompressionVariant
  ) throws(CompressorError) {
    guard source.tensors[index].format != target.tensors[index].format else { return }
    let name = source.fileNames[index]
    guard case .block(let format) = source.tensors[index].format, [.f32, .f16, .bf16].contains(format) else {
      throw .alreadyQuantised(path: path, tensor: name, format: source.tensors[index].format.name)
    }
    guard case .block(let wanted) = target.tensors[index].format, BlockCodec(wanted)?.canEncode == true else {
      throw .noEncoder(format: target.tensors[index].format.name, tensor: name, variant: variant.name)
    }
  }

  /// The codecs of a tensor that changes its format; nil for one that is copied.
  func codecs(ofTensor index: Int) -> (source: BlockCodec, target: BlockCodec)? {
    guard case .block(let from) = weights.inventory.tensors[index].format,
      case .block(let to) = target.tensors[index].format, from != to, let source = BlockCodec(from),
      let codec = BlockCodec(to)
    else { return nil }
    return (source, codec)
  }

  /// Keys that describe the source's own layout.
  private static let replacedKeys: Set<String> = [
    "general.alignment", "general.file_type", "general.quantization_version", Provenance.variantKey,
    Provenance.versionKey, Provenance.sourceKey, Provenance.calibrationKey,
  ]

  private static func writer(
    _ target: TensorInventory, _ metadata: GGUFMetadata, _ request: CompressionRequest, toolVersion: String
  ) -> GGUFWriter {
    var writer = GGUFWriter()
    for key in metadata.keys where !replacedKeys.contains(key) && !key.hasPrefix("split.") {
      if let value = metadata[key] { writer.set(key, value) }
    }
    if let type = request.variant.ggufFileType { writer.set("general.file_type", .uint32(type)) }
    // The version of the block layouts: 2 since 2023.
    writer.set("general.quantization_version", .uint32(2))
    writer.set(Provenance.variantKey, .string(request.variant.name))
    writer.set(Provenance.versionKey, .string(toolVersion))
    let source = request.source.weights?.path ?? ""
    writer.set(Provenance.sourceKey, .string(source.split(separator: "/").last.map(String.init) ?? source))
    if let text = request.calibration { writer.set(Provenance.calibrationKey, .string(text)) }
    for (tensor, name) in zip(target.tensors, target.fileNames) {
      guard case .block(let format) = tensor.format else { continue }
      writer.add(tensor: name, dimensions: tensor.dimensions, format: format)
    }
    return writer
  }

  /// Whether both paths lead to the same file.
  private static func isSame(_ a: String, _ b: String) -> Bool {
    var (left, right) = (stat(), stat())
    guard stat(a, &left) == 0, stat(b, &right) == 0 else { return a == b }
    return left.st_dev == right.st_dev && left.st_ino == right.st_ino
  }
}

extension TensorDescription {
  /// Lengths as a GGUF file lists them, the contiguous one first.
  fileprivate var dimensions: [Int] {
    if isVector { return [Int(columns)] }
    return copies > 1 ? [Int(columns), Int(rows), Int(copies)] : [Int(columns), Int(rows)]
  }
}
