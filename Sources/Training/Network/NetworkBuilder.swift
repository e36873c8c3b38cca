// SPDX-License-Identifier: Apache-2.0
internal import LanguageModel

/// Where a network's tensors come from.
package struct InitialWeights: Sendable {
  /// The stored tensor for a key; nil begins with random numbers.
  package var stored: @Sendable (ParameterKey) -> StoredMatrix?
  package var seed: UInt64
  /// What a file divides rotary frequencies by, where it says so.
  package var ropeDivisors: [Double]?

  package init(
    seed: UInt64, ropeDivisors: [Double]? = nil, stored: @escaping @Sendable (ParameterKey) -> StoredMatrix?
  ) {
    self.seed = seed
    self.ropeDivisors = ropeDivisors
    self.stored = stored
  }
}

/// Lays out the numbers that are trained and fills them.
struct NetworkBuilder<Number: TrainingNumber> {
  let shape: NetworkShape
  let weights: InitialWeights
  let store: ParameterStore<Number>
  let rank: Int
  private(set) var frozenNorms: [ParameterKey: NumberBuffer<Number>] = [:]
  /// Numbers of the largest frozen matrix that must be decoded.
  private(set) var largestFrozen = 0
  private let adaptation: Adaptation
  private let shapes: [ParameterKey: ParameterShape]
  private var random: SeededNumbers

  init(shape: NetworkShape, adaptation: Adaptation, weights: InitialWeights) {
    self.shape = shape
    self.adaptation = adaptation
    self.weights = weights
    random = SeededNumbers(seed: weights.seed)
    let parameters = shape.parameters
    shapes = Dictionary(uniqueKeysWithValues: parameters.map { ($0.key, $0) })
    if case .lora(let lora) = adaptation { rank = lora.rank } else { rank = 0 }
    store = ParameterStore(Self.trained(parameters, adaptation))
  }

  private static func trained(
    _ parameters: [ParameterShape], _ adaptation: Adaptation
  ) -> [(key: ParameterKey, part: TensorPart, rows: Int, columns: Int)] {
    switch adaptation {
    case .frozen: []
    case .allWeights: parameters.map { ($0.key, .whole, $0.rows, $0.columns) }
    case .lora(let lora):
      parameters.filter { lora.targets.contains($0.key.role) }.flatMap {
        [($0.key, .adapterInner, lora.rank, $0.columns), ($0.key, .adapterOuter, $0.rows, lora.rank)]
      }
    }
  }

  mutating func layer(_ index: Int) throws(TrainingError) -> Network<Number>.Layer {
    func key(_ role: TensorRole) -> ParameterKey { ParameterKey(role, layer: index) }
    return Network<Number>.Layer(
      attentionNorm: try weight(key(.attentionNorm)), query: try linear(key(.attentionQuery)),
      key: try linear(key(.attentionKey)), value: try linear(key(.attentionValue)),
      output: try linear(key(.attentionOutput)), feedForwardNorm: try weight(key(.feedForwardNorm)),
      gate: try linear(key(.feedForwardGate)), up: try linear(key(.feedForwardUp)),
      down: try linear(key(.feedForwardDown)), shape: shape.layers[index])
  }

  mutating func linear(_ key: ParameterKey) throws(TrainingError) -> Linear<Number> {
    let shape = try self.shape(key)
    var linear = Linear<Number>(weight: try weight(key), rows: shape.rows, columns: shape.columns)
    guard case .lora(let lora) = adaptation, let inner = store.slot(key, .adapterInner),
      let outer = store.slot(key, .adapterOuter)
    else { return linear }
    // A uniform within ±1/√columns and B zero: the adapter begins as nothing.
    let bound = 1 / Double(shape.columns).squareRoot()
    for index in inner.range { store[index] = Number(Float((2 * random.uniform() - 1) * bound)) }
    linear.adapter = .init(inner: inner, outer: outer, scale: Number(lora.scale))
    return linear
  }

  mutating func weight(_ key: ParameterKey) throws(TrainingError) -> Weight<Number> {
    let shape = try self.shape(key)
    let stored = weights.stored(key)
    if let stored, stored.rows != shape.rows || stored.columns != shape.columns {
      throw .wrongShape(
        tensor: key.name, expected: "\(shape.rows) × \(shape.columns)", found: "\(stored.rows) × \(stored.columns)")
    }
    if let slot = store.slot(key) {
      fill(slot, shape, stored)
      return .trained(slot)
    }
    guard let stored else { throw .missingTensor(key.name) }
    if shape.isVector {
      let numbers = NumberBuffer<Number>(shape.count)
      stored.decode(rows: 0..<1, into: numbers.address)
      frozenNorms[key] = numbers
    } else if stored.inPlace(as: Number.self) == nil {
      largestFrozen = max(largestFrozen, shape.count)
    }
    return .frozen(stored)
  }

  /// The stored numbers, or random ones: 0.02 · normal, less for what is added to the residual stream (GPT-2).
  private mutating func fill(_ slot: ParameterStore<Number>.Slot, _ shape: ParameterShape, _ stored: StoredMatrix?) {
    let values = store.values.address + slot.offset
    if let stored { return stored.decode(rows: 0..<shape.rows, into: values) }
    if shape.isVector { return values.update(repeating: 1, count: shape.count) }
    let isAdded = shape.key.role == .attentionOutput || shape.key.role == .feedForwardDown
    let deviation = isAdded ? 0.02 / (2 * Double(max(1, self.shape.layers.count))).squareRoot() : 0.02
    for index in 0..<shape.count { values[index] = Number(Float(random.normal() * deviation)) }
  }

  private func shape(_ key: ParameterKey) throws(TrainingError) -> ParameterShape {
    guard let shape = shapes[key] else { throw .missingTensor(key.name) }
    return shape
  }
}
