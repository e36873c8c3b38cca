// SPDX-License-Identifier: Apache-2.0
internal import Compression
internal import Inference
internal import LanguageModel
internal import ModelFiles

/// What a compression will write into a GGUF file: decided and checked before the first byte.
struct CompressionPlan {
  /// Where a tensor's bytes come from.
  enum Content {
    case copy
    case encode(BlockCodec, BlockCodec)
    case packed(GroupPacking)
  }

  let model: WorkingModel
  let target: TensorInventory
  let writer: GGUFWriter

  /// Refuses what can be refused without reading a weight.
  ///
  /// - Throws: `CompressorError`, `CompressionError.notApplicable`.
  static func check(_ request: CompressionRequest) throws {
    let (file, variant) = (request.source, request.variant)
    guard let weights = file.weights else { throw CompressorError.noWeights(path: file.description.name) }
    guard !isSame(weights.path, request.output) else { throw CompressorError.sameFile(path: request.output) }
    let needsText = variant.needsImportanceMatrix || variant.needsInputs && !request.roundsToNearest
    guard request.calibration != nil || !needsText else {
      throw CompressorError.needsCalibration(variant: variant.name)
    }
    if request.pruning.layers == nil { _ = try variant.restructured(file.description) }
    guard request.isGGUF else { return try CheckpointPlan.check(request) }
    let model = try WorkingModel(file.metadata == nil ? GGUFConversion(file).outline : file)
    let target = try Self.target(of: model, request)
    for index in target.tensors.indices { try check(index, model, target, variant) }
  }

  /// - Throws: `CompressorError`.
  init(_ model: WorkingModel, _ request: CompressionRequest, toolVersion: String) throws {
    self.model = model
    target = try Self.target(of: model, request)
    for index in target.tensors.indices { try Self.check(index, model, target, request.variant) }
    writer = try GGUFLayout(model: model, target: target, request: request, toolVersion: toolVersion).writer()
  }

  /// The tensors as a GGUF file stores the variant.
  private static func target(of model: WorkingModel, _ request: CompressionRequest) throws -> TensorInventory {
    let source = model.description.inventory
    var target = request.variant.inventory(of: source, model.architecture)
    target.fileNames = source.fileNames
    for index in target.tensors.indices {
      if isKept(source.tensors[index]) { target.tensors[index].format = source.tensors[index].format }
      guard let format = ggufFormat(of: target.tensors[index], request) else {
        throw CompressorError.notGGUF(variant: request.variant.name)
      }
      target.tensors[index].format = .block(format)
      let isPacked = model.packings.isEmpty || model.packings[target.fileNames[index]] != nil
      if case .q4_1 = format, case .linearLayers = request.variant.storage, !isPacked {
        target.tensors[index].format = .f16
      }
    }
    return target
  }

  /// The GGUF type that holds what a variant asks for; nil where GGUF has none.
  ///
  /// Integers of 4 bits with a scale and a zero point per group are q4_1 blocks that share both; weights that are zero
  /// are stored like any other.
  private static func ggufFormat(of tensor: TensorDescription, _ request: CompressionRequest) -> BlockFormat? {
    // The Hugging Face formats keep vectors in 16 bits; llama.cpp multiplies by 32-bit ones only.
    if tensor.isVector, case .linearLayers = request.variant.storage { return .f32 }
    return switch tensor.format {
    case .block(let format): format
    case .awq(4, _): fitting(tensor, .q4_1)
    case .gptq(4, _, actOrder: false): fitting(tensor, .q4_1)
    case .sparse: .f16
    default: nil
    }
  }

  private static func fitting(_ tensor: TensorDescription, _ format: BlockFormat) -> BlockFormat {
    Int(tensor.columns) % format.elementsPerBlock == 0 ? format : .f16
  }

  /// Tensors that are no floats are copied.
  private static func isKept(_ tensor: TensorDescription) -> Bool {
    guard case .block(let format) = tensor.format else { return true }
    return BlockCodec(format) == nil
  }

  private static func check(
    _ index: Int, _ model: WorkingModel, _ target: TensorInventory, _ variant: CompressionVariant
  ) throws(CompressorError) {
    let (from, to) = (model.description.inventory.tensors[index].format, target.tensors[index].format)
    let name = target.fileNames[index]
    guard from != to else { return }
    guard case .block(let format) = from, [.f32, .f16, .bf16].contains(format) else {
      throw .alreadyQuantised(path: model.weights.path, tensor: name, format: from.name)
    }
    guard case .block(let wanted) = to, BlockCodec(wanted)?.canEncode == true else {
      throw .noEncoder(format: to.name, tensor: name, variant: variant.name)
    }
  }

  func content(ofTensor index: Int) -> Content {
    if let packing = model.packings[target.fileNames[index]] { return .packed(packing) }
    guard case .block(let from) = model.weights.inventory.tensors[index].format,
      case .block(let to) = target.tensors[index].format, from != to, let source = BlockCodec(from),
      let codec = BlockCodec(to)
    else { return .copy }
    return .encode(source, codec)
  }

  /// Whether both paths lead to the same file.
  private static func isSame(_ a: String, _ b: String) -> Bool {
    guard let left = FileIdentity(a), let right = FileIdentity(b) else { return a == b }
    return left == right
  }
}

extension CompressionRequest {
  /// Whether the result is a GGUF file, as its name says; all else is a checkpoint's folder.
  var isGGUF: Bool { output.lowercased().hasSuffix(".gguf") }
}

extension CompressionVariant {
  /// Whether a step looks at what flows into the matrices, and cannot do without.
  fileprivate var needsInputs: Bool {
    guard case .linearLayers(let format) = storage else { return false }
    switch format {
    case .awq, .gptq: return true
    default: return false
    }
  }
}

extension GroupPacking {
  /// Sends the blocks of GGUF's q4_1, in which w = q · scale + minimum: the groups' integers and scales as they are, the
  /// minimum −zero · scale in 16 bits.
  func writeAsQ4_1(to sink: GGUFWriter.Sink) throws {
    let block = 32
    var bytes = [UInt8](repeating: 0, count: columns / block * 20)
    for row in 0..<rows {
      for first in stride(from: 0, to: columns, by: block) {
        let step = self.step(row: row, group: first / group)
        let place = first / block * 20
        let words = [Float16(step.scale).bitPattern, Float16(-Float(step.zero) * step.scale).bitPattern]
        for (index, word) in words.enumerated() {
          bytes[place + 2 * index] = UInt8(truncatingIfNeeded: word)
          bytes[place + 2 * index + 1] = UInt8(truncatingIfNeeded: word >> 8)
        }
        let codes = row * columns + first
        for index in 0..<16 {
          bytes[place + 4 + index] = self.codes[codes + index] | self.codes[codes + index + 16] << 4
        }
      }
      try bytes.withUnsafeBytes { try sink($0) }
    }
  }
}
