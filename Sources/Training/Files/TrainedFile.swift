// SPDX-License-Identifier: Apache-2.0
internal import Inference
internal import LanguageModel
internal import ModelFiles

/// Writes what was trained: the whole model, or the adapter alone.
struct TrainedFile {
  let start: TrainingStart
  let network: Network<Float>
  let variant: String
  let summary: String
  let toolVersion: String

  /// Keys that describe the source's own layout or making.
  private static let replacedKeys: Set<String> = [
    "general.alignment", "general.file_type", "general.quantization_version", Provenance.variantKey,
    Provenance.versionKey, Provenance.sourceKey, Provenance.calibrationKey, Provenance.trainingKey,
  ]

  // MARK: The whole model

  /// Writes all weights, adapters merged; those that did not change keep their format and bytes.
  ///
  /// - Returns: the file's bytes.
  func writeModel(to path: String) throws -> Int {
    var writer = GGUFWriter()
    for key in start.metadata.keys where !Self.replacedKeys.contains(key) && !key.hasPrefix("split.") {
      if let value = start.metadata[key] { writer.set(key, value) }
    }
    describe(&writer)
    if let type = fileType { writer.set("general.file_type", .uint32(type)) }
    let parameters = network.shape.parameters
    for parameter in parameters {
      let dimensions = parameter.isVector ? [parameter.columns] : [parameter.columns, parameter.rows]
      writer.add(tensor: parameter.key.name, dimensions: dimensions, format: format(parameter))
    }
    let table = start.ropeTable.flatMap { StoredMatrix(tensor: $0, of: start.weights) }
    if let table {
      writer.add(
        tensor: TensorRole.ropeFactors.ggufName(layer: -1) ?? "rope_freqs.weight", dimensions: [table.columns],
        format: table.format ?? .f32)
    }
    try writer.write(to: path) { index, sink in
      if index < parameters.count { return try write(parameters[index], to: sink) }
      if let table { try sink(table.bytes) }
    }
    return writer.fileBytes
  }

  /// The format of the file's matrices, where one format holds for all of them.
  private var fileType: UInt32? {
    let formats = Set(network.shape.parameters.filter { !$0.isVector }.map(format))
    guard formats.count == 1, let format = formats.first else { return nil }
    switch format {
    case .f32: return 0
    case .f16: return 1
    case .bf16: return 32
    default: return start.metadata["general.file_type"]?.intValue.map { UInt32(clamping: $0) }
    }
  }

  private func format(_ parameter: ParameterShape) -> BlockFormat {
    let pattern = start.pattern(parameter.key)
    guard changes(parameter) else { return pattern }
    if parameter.isVector { return .f32 }
    return [.f32, .f16, .bf16].contains(pattern) ? pattern : .f16
  }

  private func changes(_ parameter: ParameterShape) -> Bool {
    network.parameters.slots.contains { $0.key == parameter.key }
  }

  private func write(_ parameter: ParameterShape, to sink: GGUFWriter.Sink) throws {
    guard changes(parameter) else {
      guard let index = start.place(parameter.key) else { throw TrainingError.missingTensor(parameter.key.name) }
      return try sink(start.weights.bytes(ofTensor: index))
    }
    guard let codec = BlockCodec(format(parameter)) else { throw TrainingError.missingTensor(parameter.key.name) }
    let values = try numbers(parameter)
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: codec.byteCount(of: parameter.count), alignment: 64)
    defer { bytes.deallocate() }
    guard let address = bytes.baseAddress else { return }
    codec.encode(UnsafeBufferPointer(start: values.address, count: values.count), weights: nil, into: address)
    try sink(UnsafeRawBufferPointer(bytes))
  }

  /// W, or W + scale · B · A.
  private func numbers(_ parameter: ParameterShape) throws(TrainingError) -> NumberBuffer<Float> {
    let (store, values) = (network.parameters, NumberBuffer<Float>(parameter.count))
    if let slot = store.slot(parameter.key) {
      values.address.update(from: store.values.address + slot.offset, count: parameter.count)
      return values
    }
    guard let stored = start.stored(parameter.key, network.adaptation), case .lora(let lora) = network.adaptation,
      let inner = store.slot(parameter.key, .adapterInner),
      let outer = store.slot(parameter.key, .adapterOuter)
    else { throw .missingTensor(parameter.key.name) }
    stored.decode(rows: 0..<parameter.rows, into: values.address)
    network.operators.linear.products.applyTransposed(
      store.values.address + inner.offset, rows: lora.rank, columns: parameter.columns,
      to: store.values.address + outer.offset, tokens: parameter.rows, alpha: Float(lora.scale), beta: 1,
      into: values.address)
    return values
  }

  func describe(_ writer: inout GGUFWriter) {
    writer.set(Provenance.variantKey, .string(variant))
    writer.set(Provenance.versionKey, .string(toolVersion))
    writer.set(Provenance.sourceKey, .string(sourceName))
    writer.set(Provenance.trainingKey, .string(summary))
  }

  /// The name of the file that the training began with.
  var sourceName: String {
    let path = start.weights.path
    return path.split(separator: "/").last.map(String.init) ?? path
  }
}
