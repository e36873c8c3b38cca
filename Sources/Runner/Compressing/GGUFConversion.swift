// SPDX-License-Identifier: Apache-2.0
internal import Inference
internal import LanguageModel
internal import ModelFiles

/// A checkpoint's model as a GGUF file would hold it: its metadata with the vocabulary, GGUF's names, and rows in the order
/// of the architecture there.
struct GGUFConversion {
  fileprivate struct Item {
    /// Where the values come from.
    enum Content {
      case stored(Int)
      case computed([Float])
    }

    var tensor: TensorDescription
    var name: String
    var content: Content
    /// Of a head whose rows stand in another order in the file.
    var headWidth: Int?
  }

  private let source: ModelFile
  private let weights: any WeightSource
  private let metadata: GGUFMetadata
  private let items: [Item]

  /// Reads no weight.
  ///
  /// - Throws: `CompressorError` for a model or a tensor that such a file does not hold; `TokenizerError`;
  ///   `ModelFileError`.
  init(_ file: ModelFile) throws {
    let (name, architecture) = (file.description.name, file.description.architecture)
    guard let weights = file.weights else { throw CompressorError.noWeights(path: name) }
    guard let own = architecture.metadataPairs else {
      throw CompressorError.typeNotConverted(path: weights.path, type: architecture.modelType)
    }
    guard let files = try TokenizerFiles.beside(weights.path) else {
      throw TokenizerError.noVocabulary(path: weights.path)
    }
    source = file
    self.weights = weights
    items = try Self.items(file.description, weights)
    var writer = GGUFWriter()
    for (key, value) in own + [("general.name", .string(name))] { writer.set(key, value) }
    for (key, value) in try files.metadataPairs(tokens: architecture.vocabularySize) { writer.set(key, value) }
    metadata = writer.metadata
    try check()
  }

  /// The model without its values.
  var outline: ModelFile { get throws { try file { _ in UnsafeRawBufferPointer(start: nil, count: 0) } } }

  /// - Parameter spool: room for what is not in the file as the result has it: rows of queries and keys, and vectors.
  func file(in spool: Spool) throws -> ModelFile {
    try file(owner: spool) { try bytes(of: $0, spool) }
  }

  private func file(
    owner: Spool? = nil, bytes: (Item) throws -> UnsafeRawBufferPointer
  ) throws -> ModelFile {
    let entries = try items.map { DerivedWeights.Entry(tensor: $0.tensor, name: $0.name, bytes: try bytes($0)) }
    let owners: [AnyObject] = [weights] + (owner.map { [$0] } ?? [])
    return ModelFile(
      description: try description(), weights: DerivedWeights(path: weights.path, entries, owners: owners),
      metadata: metadata)
  }

  private func description() throws -> LanguageModelDescription {
    try LanguageModelDescription(
      metadata: metadata, inventory: TensorInventory(tensors: items.map(\.tensor), fileNames: items.map(\.name)),
      name: source.description.name, provenance: source.description.provenance, file: weights.path)
  }

  /// Whether a reader of the metadata sees the checkpoint's model.
  private func check() throws {
    let (read, own) = (try description().architecture, source.description.architecture)
    var rules = read.forward
    // Rounded to 32 bits, said by the order of rows, or by a tensor.
    (rules.normEpsilon, rules.rope.base) = (own.forward.normEpsilon, own.forward.rope.base)
    (rules.rope.width, rules.rope.pairing) = (own.forward.rope.width, own.forward.rope.pairing)
    if case .llama3 = own.forward.rope.scaling { rules.rope.scaling = own.forward.rope.scaling }
    guard read.layers == own.layers, read.hasTiedEmbeddings == own.hasTiedEmbeddings, rules == own.forward else {
      throw CompressorError.notExpressible(
        reason: "'\(weights.path)' says more of its model than a GGUF file of its architecture does")
    }
  }
}

extension GGUFConversion {
  private static func items(
    _ description: LanguageModelDescription, _ weights: any WeightSource
  ) throws -> [Item] {
    let architecture = description.architecture
    var items: [Item] = []
    for (index, stored) in weights.inventory.tensors.enumerated() where !stored.role.isConstant {
      if stored.role == .outputHead, architecture.hasTiedEmbeddings { continue }
      let own = weights.inventory.fileNames[index]
      guard let name = stored.ggufName else {
        throw CompressorError.notExpressible(reason: "a GGUF file has no name for '\(own)'")
      }
      guard case .block(let format) = stored.format, [.f32, .f16, .bf16].contains(format) else {
        throw CompressorError.alreadyQuantised(path: weights.path, tensor: own, format: stored.format.name)
      }
      var item = Item(tensor: stored, name: name, content: .stored(index))
      // llama.cpp multiplies and adds vectors of 32 bits only.
      if stored.isVector { item.tensor.format = .block(.f32) }
      item.headWidth = headWidth(of: stored, architecture)
      items.append(item)
    }
    try compare(items, description.inventory)
    if let factors = architecture.ropeFactors {
      let tensor = TensorDescription.vector(.ropeFactors, factors.count)
      items.append(Item(tensor: tensor, name: tensor.ggufName ?? "", content: .computed(factors)))
    }
    return items.sorted { $0.place < $1.place }
  }

  /// Each tensor that the configuration speaks of, and no other.
  private static func compare(_ items: [Item], _ expected: TensorInventory) throws {
    func shapes(_ tensors: some Sequence<TensorDescription>) -> [String: [Int]] {
      Dictionary(
        tensors.filter { !$0.role.isConstant }.map { ($0.ggufName ?? "", $0.dimensions) },
        uniquingKeysWith: { first, _ in first })
    }
    let (found, wanted) = (shapes(items.map(\.tensor)), shapes(expected.tensors))
    let odd = Set(found.keys).union(wanted.keys).filter { found[$0] != wanted[$0] }.min()
    if let odd {
      throw CompressorError.notExpressible(
        reason: "its '\(odd)' has the shape \(found[odd] ?? []), where config.json says \(wanted[odd] ?? [])")
    }
  }

  /// Llama's queries and keys keep the two numbers that rotate together side by side.
  private static func headWidth(of tensor: TensorDescription, _ architecture: ModelArchitecture) -> Int? {
    let roles: [TensorRole] = [.attentionQuery, .attentionKey, .attentionQueryBias, .attentionKeyBias]
    guard ModelArchitecture.ggufNames[architecture.modelType] == "llama", roles.contains(tensor.role),
      architecture.layers.indices.contains(Int(tensor.layer)),
      case .attention(let attention) = architecture.layers[Int(tensor.layer)].mixers.first
    else { return nil }
    return attention.keyWidth
  }

  private func bytes(of item: Item, _ spool: Spool) throws -> UnsafeRawBufferPointer {
    switch item.content {
    case .computed(let values): return try room(for: values, spool)
    case .stored(let index) where item.tensor.isVector:
      let values = try values(ofVector: index)
      var result = values
      for (row, value) in values.enumerated() { result[item.row(row)] = value }
      return try room(for: result, spool)
    case .stored(let index):
      let stored = weights.bytes(ofTensor: index)
      guard item.headWidth != nil, item.tensor.rows > 0 else { return stored }
      let result = try spool.allocate(byteCount: stored.count)
      let width = stored.count / Int(item.tensor.rows)
      for row in 0..<Int(item.tensor.rows) {
        let place = UnsafeMutableRawBufferPointer(rebasing: result[item.row(row) * width..<(item.row(row) + 1) * width])
        place.copyMemory(from: UnsafeRawBufferPointer(rebasing: stored[row * width..<(row + 1) * width]))
      }
      return UnsafeRawBufferPointer(result)
    }
  }

  private func room(for values: [Float], _ spool: Spool) throws -> UnsafeRawBufferPointer {
    let result = try spool.allocate(floats: values.count)
    _ = result.update(fromContentsOf: values)
    return UnsafeRawBufferPointer(result)
  }

  private func values(ofVector index: Int) throws -> [Float] {
    let tensor = weights.inventory.tensors[index]
    guard case .block(let format) = tensor.format, let codec = BlockCodec(format),
      let address = weights.bytes(ofTensor: index).baseAddress
    else { return [] }
    var values = [Float](repeating: 0, count: tensor.elements)
    values.withUnsafeMutableBufferPointer { codec.decode(address, into: $0) }
    return values
  }
}

extension GGUFConversion.Item {
  /// Where the checkpoint's row stands in the file.
  fileprivate func row(_ row: Int) -> Int {
    headWidth.map { LlamaCheckpoint.ggufRow(of: row, headWidth: $0) } ?? row
  }

  /// The embedding, the layers, the head.
  fileprivate var place: Int {
    switch tensor.role {
    case .tokenEmbedding: -1
    case .ropeFactors: -2
    default: tensor.layer < 0 ? .max : Int(tensor.layer)
    }
  }
}

extension ModelArchitecture {
  /// What the frequencies of a model with Llama 3's stretching are divided by.
  fileprivate var ropeFactors: [Float]? {
    guard case .llama3(let scaling) = forward.rope.scaling, case .attention(let attention) = layers.first?.mixers.first
    else { return nil }
    return scaling.divisors(width: forward.rope.width ?? attention.keyWidth, base: forward.rope.base).map { Float($0) }
  }
}
