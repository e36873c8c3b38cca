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
  /// Where panels will lie of rows that are in the file's order yet; nil where they lie as said above.
  var later: LatePanels?
  /// The input of each column (columns), where they are in another order than the input; or nil.
  var inputOrder: UnsafePointer<Int32>?
  /// Whether large inputs are multiplied apart, in floats.
  var splitsOutliers = false

  /// The interleaved rows; nil while they are in the file's order.
  var panels: UnsafeRawPointer? {
    guard let later else { return address }
    return later.address
  }

  /// One row as floats.
  func decode(row: Int, into out: UnsafeMutablePointer<Float>, with kernels: UnsafePointer<ck_kernels>) {
    if ck_is_kept(type) != 0 {
      return ck_decode_kept(type, address + row * rowBytes, rowBytes, Int64(columns), 0, Int64(columns), out)
    }
    guard let decode = ck_decoder_of(kernels, type) else { return }
    guard row < interleavedRows, let panels else { return decode(address + row * rowBytes, out, Int64(columns)) }
    let panelRows = CK_PANEL_ROWS
    let panel = panels + row / panelRows * panelRows * rowBytes
    withUnsafeTemporaryAllocation(byteCount: rowBytes, alignment: 64) { bytes in
      ck_panel_row(type, panel, Int64(row % panelRows), Int64(columns) / ck_block_elements(type), bytes.baseAddress)
      decode(bytes.baseAddress, out, Int64(columns))
    }
  }
}

/// Every tensor that the forward pass reads, found by role and checked against the model's shapes.
struct PreparedModel: @unchecked Sendable {
  let source: any WeightSource
  let architecture: ModelArchitecture
  let embedding: PreparedMatrix
  /// Of the embedded tokens (Bloom).
  let embeddingNorm: PreparedNorm?
  /// Learnt positions, a row for each.
  let positions: PreparedMatrix?
  let head: PreparedLinear
  let outputNorm: PreparedNorm?
  let layers: [PreparedLayer]
  /// What the file divides rotary frequencies by, where it says so.
  let ropeFactors: RopeFactors

  /// - Parameter vectors: room for all vectors of the inventory as 32-bit floats.
  /// - Throws: `LanguageRuntimeError` naming the tensor that is missing, of another shape or in a format without kernel.
  init(
    architecture: ModelArchitecture, source: any WeightSource, kernels: KernelSet,
    vectors: UnsafeMutableBufferPointer<Float>
  ) throws(LanguageRuntimeError) {
    var finder = TensorFinder(
      source: source, kernels: kernels, vectors: vectors, normOffset: Float(architecture.forward.normOffset))
    let hidden = architecture.hiddenSize
    let vocabulary = architecture.vocabularySize
    self.source = source
    self.architecture = architecture
    embedding = try finder.matrix(.tokenEmbedding, rows: vocabulary, columns: hidden)
    embeddingNorm = try finder.optionalNorm(.embeddingNorm, .embeddingNormBias, count: hidden)
    positions =
      finder.has(.positionEmbedding)
      ? try finder.matrix(.positionEmbedding, rows: finder.rows(.positionEmbedding), columns: hidden) : nil
    head = PreparedLinear(
      matrix: finder.has(.outputHead)
        ? try finder.matrix(.outputHead, rows: vocabulary, columns: hidden) : embedding,
      bias: try finder.optionalVector(.outputHeadBias, count: vocabulary))
    outputNorm = try finder.optionalNorm(.outputNorm, .outputNormBias, count: hidden)
    var layers: [PreparedLayer] = []
    for (index, layer) in architecture.layers.enumerated() {
      layers.append(try PreparedLayer(layer, index, architecture, &finder))
    }
    self.layers = layers
    ropeFactors = RopeFactors(
      all: try finder.values(.ropeFactors), short: try finder.values(.ropeFactorsShort),
      long: try finder.values(.ropeFactorsLong))
  }

  /// Refuses what the forward pass does not know, before anything is allocated.
  static func check(
    _ architecture: ModelArchitecture, _ inventory: TensorInventory
  ) throws(LanguageRuntimeError) {
    if let stranger = inventory.tensors.first(where: { !RuntimeSupport.knows($0) }) {
      throw .unsupportedArchitecture(
        modelType: architecture.modelType,
        reason:
          "it has tensors that the forward pass does not know, such as '\(stranger.ggufName ?? "\(stranger.role)")'")
    }
    guard RuntimeSupport.modelTypes.contains(architecture.modelType) else {
      throw .unsupportedArchitecture(
        modelType: architecture.modelType, reason: "no test holds its forward pass to another implementation's")
    }
    if let reason = architecture.forward.lacking {
      throw .unsupportedArchitecture(
        modelType: architecture.modelType, reason: "\(reason), which the forward pass does not")
    }
    if let index = architecture.layers.firstIndex(where: { !RuntimeSupport.runs($0) }) {
      throw .unsupportedArchitecture(
        modelType: architecture.modelType,
        reason: "layer \(index) is not attention with a feed-forward part that it knows"
      )
    }
  }
}

/// Looks tensors up by role and layer, checks them, and turns vectors into floats.
struct TensorFinder {
  struct Key: Hashable {
    let role: TensorRole
    let layer: Int16
    var part = TensorPart.whole
  }

  let source: any WeightSource
  let kernels: KernelSet
  /// What learnt norm weights miss.
  let normOffset: Float
  /// What no vector has taken yet.
  private var room: UnsafeMutableBufferPointer<Float>
  private let places: [Key: [Int]]

  init(
    source: any WeightSource, kernels: KernelSet, vectors: UnsafeMutableBufferPointer<Float>, normOffset: Float
  ) {
    self.source = source
    self.normOffset = normOffset
    self.kernels = kernels
    room = vectors
    let pairs = source.inventory.tensors.enumerated().map {
      (Key(role: $1.role, layer: $1.layer, part: $1.part), [$0])
    }
    places = Dictionary(pairs, uniquingKeysWith: +)
  }

  /// Whether the model has a role's tensor, whole or in factors.
  func has(_ role: TensorRole, _ layer: Int = -1) -> Bool {
    has(role, layer, .whole) || has(role, layer, .outer)
  }

  func has(_ role: TensorRole, _ layer: Int, _ part: TensorPart) -> Bool { first(role, layer, part) != nil }

  private func first(_ role: TensorRole, _ layer: Int, _ part: TensorPart = .whole) -> Int? {
    places[Key(role: role, layer: Int16(clamping: layer), part: part)]?.first
  }

  /// Rows of a tensor outside the layers; 0 when there is none.
  func rows(_ role: TensorRole, _ layer: Int = -1, _ part: TensorPart = .whole) -> Int {
    first(role, layer, part).map { Int(source.inventory.tensors[$0].rows) } ?? 0
  }

  func elements(_ role: TensorRole, _ layer: Int) -> Int {
    first(role, layer).map { source.inventory.tensors[$0].elements } ?? 0
  }

  private func find(
    _ role: TensorRole, _ layer: Int, _ part: TensorPart = .whole
  ) throws(LanguageRuntimeError) -> Int {
    guard let index = first(role, layer, part) else {
      throw .missingTensor(name: role.ggufName(layer: layer) ?? "\(role)", path: source.path)
    }
    return index
  }

  private func name(_ index: Int) -> String {
    let inventory = source.inventory
    return index < inventory.fileNames.count
      ? inventory.fileNames[index] : inventory.tensors[index].ggufName ?? "\(inventory.tensors[index].role)"
  }

  /// Some rows of a matrix, or of a stack of matrices whose rows are numbered through.
  ///
  /// - Parameters:
  ///   - rows: of each matrix of the stack.
  ///   - part: the rows to take; nil takes all.
  ///   - factor: the matrix itself, or a factor of it or of its adapter.
  func matrix(
    _ role: TensorRole, _ layer: Int = -1, rows: Int, columns: Int, copies: Int = 1, part: Range<Int>? = nil,
    factor: TensorPart = .whole
  ) throws(LanguageRuntimeError) -> PreparedMatrix {
    try matrix(try find(role, layer, factor), rows: rows, columns: columns, copies: copies, part: part)
  }

  /// The matrices of a stack, one by one; checkpoints hold each as a tensor of its own.
  func stack(
    _ role: TensorRole, _ layer: Int, copies: Int, rows: Int, columns: Int
  ) throws(LanguageRuntimeError) -> [PreparedMatrix] {
    let own = places[Key(role: role, layer: Int16(clamping: layer))] ?? []
    var matrices: [PreparedMatrix] = []
    if copies > 1, own.count == copies {
      // Names differ only in their number.
      let sorted = own.sorted { (name($0).utf8.count, name($0)) < (name($1).utf8.count, name($1)) }
      for index in sorted { matrices.append(try matrix(index, rows: rows, columns: columns)) }
      return matrices
    }
    for copy in 0..<copies {
      let part = copy * rows..<(copy + 1) * rows
      matrices.append(try matrix(role, layer, rows: rows, columns: columns, copies: copies, part: part))
    }
    return matrices
  }

  private func matrix(
    _ index: Int, rows: Int, columns: Int, copies: Int = 1, part: Range<Int>? = nil
  ) throws(LanguageRuntimeError) -> PreparedMatrix {
    let tensor = source.inventory.tensors[index]
    guard tensor.rows == rows, tensor.columns == columns, tensor.copies == copies else {
      throw .wrongShape(
        tensor: name(index), expected: Self.shape(copies, rows, columns),
        found: Self.shape(Int(tensor.copies), Int(tensor.rows), Int(tensor.columns)))
    }
    guard let format = tensor.runtimeFormat, kernels.multiplies(format.kernelType),
      let address = source.bytes(ofTensor: index).baseAddress
    else { throw .unsupportedFormat(tensor: name(index), format: tensor.format.name) }
    guard columns % format.elementsPerBlock == 0 else {
      throw .rowsNotWhole(tensor: name(index), columns: columns, format: format.name)
    }
    let rowBytes = columns / format.elementsPerBlock * format.bytesPerBlock
    let part = part ?? 0..<rows * copies
    var late = (source as? InterleavedWeights)?.latePanels(ofTensor: index)
    late?.panels.offset = part.lowerBound * rowBytes
    let interleaved = late?.rows ?? source.interleavedRows(ofTensor: index)
    return PreparedMatrix(
      address: address + part.lowerBound * rowBytes, type: format.kernelType, rows: part.count, columns: columns,
      rowBytes: rowBytes, interleavedRows: max(0, min(part.upperBound, interleaved) - part.lowerBound),
      later: late?.panels,
      inputOrder: tensor.hasOrder ? Self.order(address + rows * copies * rowBytes) : nil,
      splitsOutliers: tensor.format == .int8PerRow && format != RuntimeFormat(.f16))
  }

  private static func order(_ address: UnsafeRawPointer) -> UnsafePointer<Int32> {
    address.assumingMemoryBound(to: Int32.self)
  }

  private static func shape(_ copies: Int, _ rows: Int, _ columns: Int) -> String {
    (copies == 1 ? "" : "\(copies) × ") + "\(rows) × \(columns)"
  }

  mutating func vector(
    _ role: TensorRole, _ layer: Int = -1, count: Int
  ) throws(LanguageRuntimeError) -> UnsafePointer<Float> {
    let index = try find(role, layer)
    let tensor = source.inventory.tensors[index]
    // The plan has room for vectors alone, each once.
    guard tensor.elements == count, tensor.isKeptAsFloats, count <= room.count else {
      throw .wrongShape(
        tensor: name(index), expected: "a vector of \(count)",
        found: Self.shape(Int(tensor.copies), Int(tensor.rows), Int(tensor.columns)))
    }
    guard case .block(let format) = tensor.format, let type = Int32(exactly: format.ggufType),
      let decode = ck_decoder_of(kernels.row, type), let address = source.bytes(ofTensor: index).baseAddress,
      let place = room.baseAddress, count % format.elementsPerBlock == 0
    else { throw .unsupportedFormat(tensor: name(index), format: tensor.format.name) }
    decode(address, place, Int64(count))
    room = UnsafeMutableBufferPointer(rebasing: room[count...])
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
    _ role: TensorRole, _ layer: Int = -1, count: Int
  ) throws(LanguageRuntimeError) -> UnsafePointer<Float>? {
    guard has(role, layer) else { return nil }
    return try vector(role, layer, count: count)
  }

  /// A norm with its bias, where the model has one.
  mutating func optionalNorm(
    _ role: TensorRole, _ biasRole: TensorRole? = nil, _ layer: Int = -1, count: Int
  ) throws(LanguageRuntimeError) -> PreparedNorm? {
    guard has(role, layer) else { return nil }
    let weight = UnsafeMutablePointer(mutating: try vector(role, layer, count: count))
    if normOffset != 0 { for index in 0..<count { weight[index] += normOffset } }
    var bias: UnsafePointer<Float>?
    if let biasRole { bias = try optionalVector(biasRole, layer, count: count) }
    return PreparedNorm(weight: weight, bias: bias)
  }
}
