// SPDX-License-Identifier: Apache-2.0
internal import Inference
internal import LanguageModel
internal import ModelFiles

/// What a training begins with: shapes, metadata and where each tensor comes from.
struct TrainingStart: Sendable {
  let shape: NetworkShape
  let metadata: GGUFMetadata
  let weights: any WeightSource
  /// The file's layer behind each layer; nil for random weights.
  let origins: [Int]?
  /// The prefix of the metadata keys of shapes.
  let architecture: String
  private let places: [ParameterKey: Int]

  /// - Throws: `TrainingError` when the file is no GGUF file of a known architecture, or has no such layers.
  init(_ file: ModelFile, _ start: TrainingRequest.Start) throws(TrainingError) {
    guard let weights = file.weights, let metadata = file.metadata else {
      throw .notGGUF(path: file.weights?.path ?? file.description.name)
    }
    self.weights = weights
    architecture = metadata.string("general.architecture") ?? "llama"
    let whole = try NetworkShape(file.description)
    let tensors = weights.inventory.tensors
    let pairs = tensors.indices.map { (ParameterKey(tensors[$0].role, layer: Int(tensors[$0].layer)), $0) }
    places = Dictionary(pairs, uniquingKeysWith: { first, _ in first })
    switch start {
    case .file:
      (shape, origins, self.metadata) = (whole, Array(whole.layers.indices), metadata)
    case .layers(let kept):
      var cut = whole
      guard !kept.isEmpty, kept.allSatisfy(whole.layers.indices.contains) else {
        throw .badLayers(kept.map(String.init).joined(separator: ","), count: whole.layers.count)
      }
      cut.layers = kept.map { whole.layers[$0] }
      (shape, origins) = (cut, kept)
      self.metadata = metadata.keeping(layers: kept, of: whole.layers.count, architecture)
    case .student(let student):
      let own = try whole.student(student)
      (shape, origins) = (own, nil)
      self.metadata = metadata.describing(own, architecture)
    }
  }

  func initial(_ adaptation: Adaptation, seed: UInt64) -> InitialWeights {
    InitialWeights(seed: seed, ropeDivisors: ropeDivisors) { stored($0, adaptation) }
  }

  /// The file's tensor behind a tensor of the network, rounded where the adaptation says so.
  func stored(_ key: ParameterKey, _ adaptation: Adaptation) -> StoredMatrix? {
    guard let index = place(key), let matrix = StoredMatrix(tensor: index, of: weights) else { return nil }
    guard case .lora(let lora) = adaptation, lora.targets.contains(key.role), let base = lora.base,
      let codec = LevelCodec(base.format)
    else { return matrix }
    return matrix.rounded(by: codec)
  }

  /// The file's tensor behind a tensor of the network; nil for random weights.
  func place(_ key: ParameterKey) -> Int? {
    guard let origins else { return nil }
    return places[key.layer < 0 ? key : ParameterKey(key.role, layer: origins[key.layer])]
  }

  /// The file's tensor of the same role, which says in what format a new one is stored.
  func pattern(_ key: ParameterKey) -> BlockFormat {
    let index = place(key) ?? places[ParameterKey(key.role, layer: min(key.layer, 0))]
    guard let index, case .block(let format) = weights.inventory.tensors[index].format else { return .f16 }
    return format
  }

  /// The place of the table of rotary divisors.
  var ropeTable: Int? { places[ParameterKey(.ropeFactors)] }

  private var ropeDivisors: [Double]? {
    guard let index = ropeTable, let table = StoredMatrix(tensor: index, of: weights) else { return nil }
    let numbers = NumberBuffer<Double>(table.columns)
    table.decode(rows: 0..<1, into: numbers.address)
    return (0..<table.columns).map { numbers.address[$0] }
  }
}

extension NetworkShape {
  /// A smaller network with the same width of a head and as many query heads per key.
  fileprivate func student(_ student: StudentShape) throws(TrainingError) -> NetworkShape {
    guard let pattern = layers.first else { throw .badLayers("\(student.layers)", count: 0) }
    guard student.layers > 0 else { throw .badSetting("--student-layers", reason: "a network has at least one layer") }
    let width = student.width ?? hidden
    var shape = self
    var layer = pattern
    shape.hidden = width
    if width != hidden {
      guard width > 0, width % pattern.headWidth == 0 else {
        throw .badSetting(
          "--student-width \(width)", reason: "it is no multiple of the head's width of \(pattern.headWidth)")
      }
      layer.heads = width / pattern.headWidth
      let groups = max(1, layer.heads * pattern.groups / pattern.heads)
      layer.groups = layer.heads % groups == 0 ? groups : layer.heads
    }
    layer.inner = student.inner ?? max(1, pattern.inner * width / hidden)
    shape.layers = Array(repeating: layer, count: student.layers)
    return shape
  }
}

extension GGUFMetadata {
  /// The metadata of a file with some of its layers.
  fileprivate func keeping(layers kept: [Int], of count: Int, _ architecture: String) -> GGUFMetadata {
    var metadata = GGUFMetadata()
    for key in keys {
      guard let value = self[key] else { continue }
      if key == architecture + ".block_count" {
        metadata.append(key, .uint32(UInt32(kept.count)))
      } else if key.hasPrefix(architecture + "."), let list = value.arrayValue?.integers, list.count == count {
        metadata.append(key, .array(GGUFArray(kept.map { Int32(clamping: list[$0]) })))
      } else {
        metadata.append(key, value)
      }
    }
    return metadata
  }

  /// The metadata of another network in the same vocabulary, all of whose layers are alike.
  fileprivate func describing(_ shape: NetworkShape, _ architecture: String) -> GGUFMetadata {
    guard let layer = shape.layers.first else { return self }
    let numbers = [
      "block_count": shape.layers.count, "embedding_length": shape.hidden, "feed_forward_length": layer.inner,
      "attention.head_count": layer.heads, "attention.head_count_kv": layer.groups,
      "attention.key_length": layer.headWidth, "attention.value_length": layer.headWidth,
    ]
    var metadata = GGUFMetadata()
    for key in keys where !numbers.keys.contains(where: { key == architecture + "." + $0 }) {
      if let value = self[key] { metadata.append(key, value) }
    }
    for (name, number) in numbers.sorted(by: { $0.key < $1.key }) {
      metadata.append(architecture + "." + name, .uint32(UInt32(number)))
    }
    return metadata
  }
}
