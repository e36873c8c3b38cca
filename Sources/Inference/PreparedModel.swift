// SPDX-License-Identifier: Apache-2.0
import CKernels
internal import CostModel
internal import LanguageModel
internal import ModelFiles

/// A weight matrix ready for its kernel.
///
/// - Shapes: (rows, columns), each row a whole number of blocks; the first `interleavedRows` in panels of sixteen, the
///   others row-major behind them. Row r starts at r · rowBytes, or its panel does.
struct PreparedMatrix: @unchecked Sendable {
  let address: UnsafeRawPointer
  let type: Int32
  let rows: Int
  let columns: Int
  let rowBytes: Int
  let interleavedRows: Int

  /// One row as floats.
  func decode(row: Int, into out: UnsafeMutablePointer<Float>, with kernels: UnsafePointer<ck_kernels>) {
    guard let decode = ck_decoder_of(kernels, type) else { return }
    guard row < interleavedRows else { return decode(address + row * rowBytes, out, Int64(columns)) }
    let panelRows = CK_PANEL_ROWS
    let panel = address + row / panelRows * panelRows * rowBytes
    withUnsafeTemporaryAllocation(byteCount: rowBytes, alignment: 64) { bytes in
      ck_panel_row(type, panel, Int64(row % panelRows), Int64(columns) / ck_block_elements(type), bytes.baseAddress)
      decode(bytes.baseAddress, out, Int64(columns))
    }
  }
}

/// One layer's weights, by what they do; biases only where the model has them.
struct PreparedLayer: @unchecked Sendable {
  var attention: Attention
  var attentionNorm: UnsafePointer<Float>
  var query: PreparedMatrix
  var key: PreparedMatrix
  var value: PreparedMatrix
  var queryBias: UnsafePointer<Float>?
  var keyBias: UnsafePointer<Float>?
  var valueBias: UnsafePointer<Float>?
  var output: PreparedMatrix
  var feedForwardNorm: UnsafePointer<Float>
  var gate: PreparedMatrix
  var up: PreparedMatrix
  var down: PreparedMatrix
}

/// Every tensor that the forward pass reads, found by role and checked against the model's shapes.
struct PreparedModel: @unchecked Sendable {
  let source: any WeightSource
  let architecture: ModelArchitecture
  let embedding: PreparedMatrix
  let head: PreparedMatrix
  let outputNorm: UnsafePointer<Float>
  let layers: [PreparedLayer]
  /// What the file divides each rotary frequency by, where it says so.
  let ropeDivisors: [Double]?

  /// - Parameter vectors: room for all vectors of the inventory as 32-bit floats.
  /// - Throws: `LanguageRuntimeError` naming the tensor that is missing, of another shape or in a format without kernel.
  init(
    architecture: ModelArchitecture, source: any WeightSource, kernels: KernelSet,
    vectors: UnsafeMutablePointer<Float>
  ) throws(LanguageRuntimeError) {
    var finder = TensorFinder(source: source, kernels: kernels, vectors: vectors)
    let hidden = architecture.hiddenSize
    let vocabulary = architecture.vocabularySize
    self.source = source
    self.architecture = architecture
    embedding = try finder.matrix(.tokenEmbedding, rows: vocabulary, columns: hidden)
    head =
      finder.has(.outputHead)
      ? try finder.matrix(.outputHead, rows: vocabulary, columns: hidden) : embedding
    outputNorm = try finder.vector(.outputNorm, count: hidden)
    var layers: [PreparedLayer] = []
    for (index, layer) in architecture.layers.enumerated() {
      layers.append(try Self.prepare(layer, index, hidden: hidden, architecture, &finder))
    }
    self.layers = layers
    ropeDivisors = try finder.values(.ropeFactors)
  }

  private static func prepare(
    _ layer: LayerDescription, _ index: Int, hidden: Int, _ architecture: ModelArchitecture,
    _ finder: inout TensorFinder
  ) throws(LanguageRuntimeError) -> PreparedLayer {
    guard layer.mixers.count == 1, case .attention(let attention) = layer.mixers[0], attention.hasOwnCache,
      attention.keyWidth == attention.valueWidth, attention.keyWidth % 8 == 0,
      attention.heads % attention.keyValueHeads == 0, let feedForward = layer.feedForward, feedForward.experts == 0,
      feedForward.isGated
    else {
      throw .unsupportedArchitecture(
        modelType: architecture.modelType, reason: "layer \(index) is not plain attention with a gated feed-forward")
    }
    let queries = attention.heads * attention.keyWidth
    let keys = attention.keyValueHeads * attention.keyWidth
    let values = attention.keyValueHeads * attention.valueWidth
    return PreparedLayer(
      attention: attention,
      attentionNorm: try finder.vector(.attentionNorm, index, count: hidden),
      query: try finder.matrix(.attentionQuery, index, rows: queries, columns: hidden),
      key: try finder.matrix(.attentionKey, index, rows: keys, columns: hidden),
      value: try finder.matrix(.attentionValue, index, rows: values, columns: hidden),
      queryBias: try finder.optionalVector(.attentionQueryBias, index, count: queries),
      keyBias: try finder.optionalVector(.attentionKeyBias, index, count: keys),
      valueBias: try finder.optionalVector(.attentionValueBias, index, count: values),
      output: try finder.matrix(
        .attentionOutput, index, rows: hidden, columns: attention.heads * attention.valueWidth),
      feedForwardNorm: try finder.vector(.feedForwardNorm, index, count: hidden),
      gate: try finder.matrix(.feedForwardGate, index, rows: feedForward.width, columns: hidden),
      up: try finder.matrix(.feedForwardUp, index, rows: feedForward.width, columns: hidden),
      down: try finder.matrix(.feedForwardDown, index, rows: hidden, columns: feedForward.width))
  }

  /// Refuses what the forward pass does not know, before anything is allocated.
  static func check(
    _ architecture: ModelArchitecture, _ inventory: TensorInventory
  ) throws(LanguageRuntimeError) {
    if let stranger = inventory.tensors.first(where: { !RuntimeSupport.roles.contains($0.role) }) {
      throw .unsupportedArchitecture(
        modelType: architecture.modelType,
        reason:
          "it has tensors that the forward pass does not know, such as '\(stranger.ggufName ?? "\(stranger.role)")'")
    }
    guard RuntimeSupport.runs(architecture.modelType) else {
      throw .unsupportedArchitecture(
        modelType: architecture.modelType, reason: "only the llama, mistral and qwen2 families run so far")
    }
  }
}

/// Looks tensors up by role and layer, checks them, and turns vectors into floats.
private struct TensorFinder {
  struct Key: Hashable {
    let role: TensorRole
    let layer: Int16
  }

  let source: any WeightSource
  let kernels: KernelSet
  private var nextVector: UnsafeMutablePointer<Float>
  private let places: [Key: Int]

  init(source: any WeightSource, kernels: KernelSet, vectors: UnsafeMutablePointer<Float>) {
    self.source = source
    self.kernels = kernels
    nextVector = vectors
    let pairs = source.inventory.tensors.enumerated().map { (Key(role: $1.role, layer: $1.layer), $0) }
    places = Dictionary(pairs, uniquingKeysWith: { first, _ in first })
  }

  func has(_ role: TensorRole) -> Bool { places[Key(role: role, layer: -1)] != nil }

  private func find(_ role: TensorRole, _ layer: Int) throws(LanguageRuntimeError) -> Int {
    guard let index = places[Key(role: role, layer: Int16(clamping: layer))] else {
      throw .missingTensor(name: role.ggufName(layer: layer) ?? "\(role)", path: source.path)
    }
    return index
  }

  private func name(_ index: Int) -> String {
    let inventory = source.inventory
    return index < inventory.fileNames.count
      ? inventory.fileNames[index] : inventory.tensors[index].ggufName ?? "\(inventory.tensors[index].role)"
  }

  func matrix(
    _ role: TensorRole, _ layer: Int = -1, rows: Int, columns: Int
  ) throws(LanguageRuntimeError) -> PreparedMatrix {
    let index = try find(role, layer)
    let tensor = source.inventory.tensors[index]
    guard tensor.rows == rows, tensor.columns == columns, tensor.copies == 1 else {
      throw .wrongShape(
        tensor: name(index), expected: "\(rows) × \(columns)", found: "\(tensor.rows) × \(tensor.columns)")
    }
    guard case .block(let format) = tensor.format, let type = Int32(exactly: format.ggufType),
      ck_decoder_of(kernels.row, type) != nil, let address = source.bytes(ofTensor: index).baseAddress
    else { throw .unsupportedFormat(tensor: name(index), format: tensor.format.name) }
    guard columns % format.elementsPerBlock == 0 else {
      throw .rowsNotWhole(tensor: name(index), columns: columns, format: format.rawValue)
    }
    return PreparedMatrix(
      address: address, type: type, rows: rows, columns: columns,
      rowBytes: columns / format.elementsPerBlock * format.bytesPerBlock,
      interleavedRows: source.interleavedRows(ofTensor: index))
  }

  mutating func vector(
    _ role: TensorRole, _ layer: Int = -1, count: Int
  ) throws(LanguageRuntimeError) -> UnsafePointer<Float> {
    let index = try find(role, layer)
    let tensor = source.inventory.tensors[index]
    guard tensor.elements == count else {
      throw .wrongShape(tensor: name(index), expected: "\(count)", found: "\(tensor.elements)")
    }
    guard case .block(let format) = tensor.format, let type = Int32(exactly: format.ggufType),
      let decode = ck_decoder_of(kernels.row, type), let address = source.bytes(ofTensor: index).baseAddress,
      count % format.elementsPerBlock == 0
    else { throw .unsupportedFormat(tensor: name(index), format: tensor.format.name) }
    let place = nextVector
    decode(address, place, Int64(count))
    nextVector += count
    return UnsafePointer(place)
  }

  /// The numbers of a vector outside the layers; nil when the model has none.
  mutating func values(_ role: TensorRole) throws(LanguageRuntimeError) -> [Double]? {
    guard has(role) else { return nil }
    let count = source.inventory.tensors[try find(role, -1)].elements
    let vector = try vector(role, count: count)
    return (0..<count).map { Double(vector[$0]) }
  }

  mutating func optionalVector(
    _ role: TensorRole, _ layer: Int, count: Int
  ) throws(LanguageRuntimeError) -> UnsafePointer<Float>? {
    guard places[Key(role: role, layer: Int16(clamping: layer))] != nil else { return nil }
    return try vector(role, layer, count: count)
  }
}
