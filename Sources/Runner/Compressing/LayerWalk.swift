// SPDX-License-Identifier: Apache-2.0
internal import CostModel
internal import Inference
internal import LanguageModel
internal import ModelFiles

/// Runs a calibration text through a model one layer at a time: memory holds the text's states and one layer, and a layer
/// sees what the changed layers before it give.
struct LayerWalk {
  private let model: WorkingModel
  private let text: CalibrationText
  private let pool: ThreadPool
  private let watch: Watch
  /// (tokens, hidden)
  private let states: UnsafeMutableBufferPointer<Float>
  private let outside: [DerivedWeights.Entry]
  private let owner: Spool

  /// Starts before the first layer.
  init(
    _ model: WorkingModel, _ text: CalibrationText, pool: ThreadPool, spool: Spool, watch: Watch
  ) throws {
    self.model = model
    self.text = text
    self.pool = pool
    self.watch = watch
    owner = spool
    outside = model.outside
    states = try spool.allocate(floats: text.tokens.count * model.architecture.hiddenSize)
    let session = try session(model.architecture.layers[0], ofLayer: 0)
    for window in text.windows {
      session.embed(Array(text.tokens[window]), into: address + window.lowerBound * width)
    }
  }

  private var width: Int { model.architecture.hiddenSize }

  private var address: UnsafeMutablePointer<Float> {
    guard let address = states.baseAddress else { preconditionFailure("a calibration text has tokens") }
    return address
  }

  /// What enters the layer that comes next: (tokens, hidden).
  var current: UnsafePointer<Float> { UnsafePointer(address) }

  /// What enters each matrix of a layer, as it is now; the states stay where they are.
  ///
  /// - Parameter holdsOut: gathers each fourth window apart; nothing is kept apart of a single one.
  func inputs(of layer: FloatLayer, _ kind: InputStatistics.Kind, holdsOut: Bool = false) throws -> LayerInputs {
    let columns = layer.tensors.map(\.columns)
    let heldOut = holdsOut && text.windows.count > 1 ? LayerInputs(kind, columns: columns) : nil
    let inputs = LayerInputs(kind, columns: columns, heldOut: heldOut)
    var current = inputs
    let session = try session(layer.shape, layer.tensors.map(\.entry))
    let first = outside.count
    session.watchProducts { x, tokens, tensors in current.add(x, tokens: tokens, tensors.map { $0 - first }) }
    let room = UnsafeMutableBufferPointer<Float>.allocate(capacity: text.window * width)
    defer { room.deallocate() }
    guard let copy = room.baseAddress else { return inputs }
    for (index, window) in text.windows.enumerated() {
      if let heldOut { current = index % 4 == 1 ? heldOut : inputs }
      try watch.step("layer \(layer.index + 1): reading token \(window.lowerBound) of \(text.tokens.count)")
      copy.update(from: address + window.lowerBound * width, count: window.count * width)
      session.run(states: copy, count: window.count)
    }
    return inputs
  }

  /// Sends the states through a layer as it is now.
  func advance(through layer: FloatLayer) throws {
    try advance(try session(layer.shape, layer.tensors.map(\.entry)))
  }

  /// Sends the states through a layer as the model has it.
  func advance(throughLayer layer: Int) throws {
    try watch.step("reading the text: layer \(layer + 1) of \(model.architecture.layers.count)")
    try advance(try session(model.architecture.layers[layer], ofLayer: layer))
  }

  private func advance(_ session: InferenceSession) throws {
    for window in text.windows {
      if watch.isCancelled() { throw CompressorError.interrupted(path: watch.output) }
      session.run(states: address + window.lowerBound * width, count: window.count)
    }
  }

  private func session(_ shape: LayerDescription, ofLayer layer: Int) throws -> InferenceSession {
    try session(shape, model.places(ofLayer: layer).map(model.weights.entry))
  }

  /// A model of one layer.
  private func session(_ shape: LayerDescription, _ tensors: [DerivedWeights.Entry]) throws -> InferenceSession {
    var architecture = model.architecture
    architecture.layers = [shape]
    let own = tensors.map { entry in
      var entry = entry
      entry.tensor.layer = 0
      return entry
    }
    let weights = DerivedWeights(path: model.weights.path, outside + own, owners: [model.weights, owner])
    return try InferenceSession(
      architecture: architecture, weights: weights,
      workload: Workload(contextTokens: text.window, keyValueFormat: .f32), kernels: KernelSet.precise.withoutRepacking,
      pool: pool)
  }
}

/// What enters the matrices of one layer.
final class LayerInputs {
  private let kind: InputStatistics.Kind
  private let columns: [Int]
  private var byTensor: [Int: InputStatistics] = [:]
  /// The same of other windows of the text; nil where none were kept apart.
  let heldOut: LayerInputs?

  init(_ kind: InputStatistics.Kind, columns: [Int], heldOut: LayerInputs? = nil) {
    self.heldOut = heldOut
    self.kind = kind
    self.columns = columns
  }

  func add(_ x: UnsafePointer<Float>, tokens: Int, _ tensors: [Int]) {
    let own = tensors.filter(columns.indices.contains)
    guard let first = own.first else { return }
    // Matrices that read the same vector share what is known of it.
    let statistics = byTensor[first] ?? InputStatistics(kind, columns: columns[first])
    for tensor in own { byTensor[tensor] = statistics }
    statistics.add(x, tokens: tokens)
  }

  /// Of the matrix at a place of the layer's tensors; nil where nothing was seen.
  subscript(place: Int) -> InputStatistics? { byTensor[place] }
}

/// Sums over the vectors that a matrix reads.
final class InputStatistics {
  /// The squares of the elements, or the products of all pairs of them.
  enum Kind { case squares, products }

  let columns: Int
  private(set) var tokens = 0
  /// Σ x·xᵀ, its upper triangle (columns, columns); empty unless asked for.
  private(set) var products: [Float]
  private var sums: [Double]

  init(_ kind: Kind, columns: Int) {
    self.columns = columns
    products = kind == .products ? [Float](repeating: 0, count: columns * columns) : []
    sums = kind == .squares ? [Double](repeating: 0, count: columns) : []
  }

  func add(_ x: UnsafePointer<Float>, tokens: Int) {
    self.tokens += tokens
    if !products.isEmpty {
      products.withUnsafeMutableBufferPointer { sum in
        guard let sum = sum.baseAddress else { return }
        LinearAlgebra.shared?.addGram(x, rows: tokens, columns: columns, to: sum)
      }
    }
    guard !sums.isEmpty else { return }
    for token in 0..<tokens {
      for column in 0..<columns {
        let value = Double(x[token * columns + column])
        sums[column] += value * value
      }
    }
  }

  /// The mean square of each element.
  var meanSquares: [Float] {
    let count = Float(max(1, tokens))
    guard products.isEmpty else { return (0..<columns).map { products[$0 * columns + $0] / count } }
    return sums.map { Float($0) / count }
  }
}
