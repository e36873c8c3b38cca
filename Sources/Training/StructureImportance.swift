// SPDX-License-Identifier: Apache-2.0
package import Inference
internal import LanguageModel
package import ModelFiles

/// How much the loss would change, to first order, if a head group or a feed-forward neuron of a layer were removed.
///
///     importance of a structure = Σ over its weights of |weight · gradient|
///
/// The weights of a structure lie in several matrices: a neuron has a row of gate and up and a column of down; a group
/// has its rows of queries, keys and values and its columns of the output.
/// - Source: LLM-Pruner, arXiv 2305.11627, section 3.2 (first order, element by element).
package struct StructureImportance: Sendable, Equatable {
  package struct Layer: Sendable, Equatable {
    /// By group of query heads that share keys and values.
    package var groups: [Double]
    package var neurons: [Double]
  }

  package let layers: [Layer]

  /// Gathers gradients over windows of a text.
  ///
  /// - Parameter windows: at most so many windows of `context` tokens.
  /// - Throws: `TrainingError` for a model that the backward pass does not know, or a text shorter than a window.
  package static func gather(
    _ file: ModelFile, tokens: [Int32], windows: Int, context: Int, pool: ThreadPool,
    progress: (_ done: Int) -> Void = { _ in }
  ) throws(TrainingError) -> StructureImportance {
    let start = try TrainingStart(file, .file)
    let count = min(windows, (tokens.count - 1) / context)
    guard count > 0 else { throw .textTooShort(tokens: tokens.count, needed: context + 1) }
    let network = try Network<Float>(
      start.shape, .allWeights, weights: start.initial(.allWeights, seed: 0), contextTokens: context, pool: pool)
    let pass = WindowPass(network)
    for window in 0..<count {
      progress(window)
      _ = pass.accumulate(
        tokens[window * context...(window + 1) * context], TokenLoss(), share: 1 / Float(count))
    }
    return StructureImportance(network)
  }

  /// From the gradients that a network has accumulated.
  init<Number: TrainingNumber>(_ network: Network<Number>) {
    layers = network.shape.layers.enumerated().map { index, shape in
      let products = LayerProducts(store: network.parameters, layer: index)
      let perGroup = shape.heads / shape.groups * shape.headWidth
      let queries = products.byRow(.attentionQuery), outputs = products.byColumn(.attentionOutput)
      let keys = products.byRow(.attentionKey), values = products.byRow(.attentionValue)
      let groups = (0..<shape.groups).map { group in
        let wide = group * perGroup..<(group + 1) * perGroup
        let narrow = group * shape.headWidth..<(group + 1) * shape.headWidth
        return queries[wide].reduce(0, +) + outputs[wide].reduce(0, +) + keys[narrow].reduce(0, +)
          + values[narrow].reduce(0, +)
      }
      let gate = products.byRow(.feedForwardGate), up = products.byRow(.feedForwardUp)
      let down = products.byColumn(.feedForwardDown)
      return Layer(groups: groups, neurons: (0..<shape.inner).map { gate[$0] + up[$0] + down[$0] })
    }
  }
}

/// Σ |weight · gradient| over the rows and columns of a layer's matrices.
private struct LayerProducts<Number: TrainingNumber> {
  let store: ParameterStore<Number>
  let layer: Int

  func byRow(_ role: TensorRole) -> [Double] { sums(role) { row, _ in row } }
  func byColumn(_ role: TensorRole) -> [Double] { sums(role) { _, column in column } }

  private func sums(_ role: TensorRole, _ place: (_ row: Int, _ column: Int) -> Int) -> [Double] {
    guard let slot = store.slot(ParameterKey(role, layer: layer)) else { return [] }
    var sums = [Double](repeating: 0, count: max(slot.rows, slot.columns))
    for row in 0..<slot.rows {
      for column in 0..<slot.columns {
        let index = slot.offset + row * slot.columns + column
        sums[place(row, column)] += abs(Double(store[index]) * Double(store.gradient(at: index)))
      }
    }
    return sums
  }
}
