// SPDX-License-Identifier: Apache-2.0
package import Inference
internal import LanguageModel

/// A network of the llama family whose weights are trained, frozen, or frozen with adapters.
///
/// One window of tokens at a time: a batch is the sum of its windows' gradients, and memory is that of one.
package final class Network<Number: TrainingNumber>: @unchecked Sendable {
  struct Layer {
    var attentionNorm: Weight<Number>
    var query, key, value, output: Linear<Number>
    var feedForwardNorm: Weight<Number>
    var gate, up, down: Linear<Number>
    let shape: NetworkShape.Layer
  }

  package let shape: NetworkShape
  package let parameters: ParameterStore<Number>
  package let adaptation: Adaptation
  let embedding: Weight<Number>
  let layers: [Layer]
  let outputNorm: Weight<Number>
  let head: Linear<Number>
  let contextTokens: Int
  let operators: Operators<Number>
  private let frozenNorms: [ParameterKey: NumberBuffer<Number>]

  /// - Parameters:
  ///   - weights: the tensors to begin with or to leave frozen; `nil` begins with random numbers.
  ///   - contextTokens: the longest window.
  /// - Throws: `TrainingError` when a tensor is missing, is of another shape or cannot be decoded, or OpenBLAS is missing.
  package init(
    _ shape: NetworkShape, _ adaptation: Adaptation, weights: InitialWeights, contextTokens: Int, pool: ThreadPool
  ) throws(TrainingError) {
    guard let library = OpenBLAS.shared else { throw .noLinearAlgebra }
    self.shape = shape
    self.adaptation = adaptation
    self.contextTokens = contextTokens
    var builder = NetworkBuilder<Number>(shape: shape, adaptation: adaptation, weights: weights)
    embedding = try builder.weight(.init(.tokenEmbedding))
    var layers: [Layer] = []
    for index in shape.layers.indices { layers.append(try builder.layer(index)) }
    self.layers = layers
    outputNorm = try builder.weight(.init(.outputNorm))
    head =
      shape.isTied
      ? Linear(weight: embedding, rows: shape.vocabulary, columns: shape.hidden)
      : try builder.linear(.init(.outputHead))
    parameters = builder.store
    frozenNorms = builder.frozenNorms
    operators = Operators(
      shape, library: library, pool: pool, store: parameters, contextTokens: contextTokens,
      decodedCount: builder.largestFrozen, adapterRank: builder.rank, divisors: weights.ropeDivisors)
  }

  /// The numbers of a norm's weight.
  func norm(_ weight: Weight<Number>, _ key: ParameterKey) -> UnsafePointer<Number> {
    switch weight {
    case .trained(let slot): UnsafePointer(parameters.values.address + slot.offset)
    case .frozen: UnsafePointer(frozenNorms[key]?.address ?? parameters.values.address)
    }
  }

  func embed(_ tokens: ArraySlice<Int32>, into x: UnsafeMutablePointer<Number>) {
    for (row, token) in tokens.enumerated() {
      let out = x + row * shape.hidden
      switch embedding {
      case .trained(let slot):
        out.update(from: parameters.values.address + slot.offset + Int(token) * shape.hidden, count: shape.hidden)
      case .frozen(let matrix): matrix.decode(rows: Int(token)..<Int(token) + 1, into: out)
      }
    }
  }

  func addEmbeddingGradient(_ tokens: ArraySlice<Int32>, _ dx: UnsafePointer<Number>) {
    guard let slot = embedding.slot else { return }
    for (row, token) in tokens.enumerated() {
      let gradient = parameters.gradients.address + slot.offset + Int(token) * shape.hidden
      for i in 0..<shape.hidden { gradient[i] += dx[row * shape.hidden + i] }
    }
  }
}

/// The operators that a network's shapes need, with their scratch memory.
struct Operators<Number: TrainingNumber>: @unchecked Sendable {
  let linear: LinearOperator<Number>
  let norm: NormOperator<Number>
  let gate: GateOperator<Number>
  /// By layer: pruned layers may differ.
  let attention: [AttentionOperator<Number>]
  /// By the width of a head.
  let rotations: [Int: RotationOperator<Number>]

  init(
    _ shape: NetworkShape, library: OpenBLAS, pool: ThreadPool, store: ParameterStore<Number>, contextTokens: Int,
    decodedCount: Int, adapterRank: Int, divisors: [Double]?
  ) {
    linear = LinearOperator(
      products: MatrixProducts(library: library, pool: pool), store: store, decoded: NumberBuffer(decodedCount),
      inner: NumberBuffer(2 * contextTokens * adapterRank))
    norm = NormOperator(width: shape.hidden, epsilon: Number(shape.epsilon), pool: pool)
    gate = GateOperator(pool: pool)
    let squares = NumberBuffer<Number>(pool.count * 2 * contextTokens * contextTokens)
    attention = shape.layers.map {
      AttentionOperator(
        heads: $0.heads, groups: $0.groups, width: $0.headWidth, library: library, pool: pool, scratch: squares)
    }
    let widths = Set(shape.layers.map(\.headWidth))
    rotations = Dictionary(
      uniqueKeysWithValues: widths.map { width in
        let own = divisors.flatMap { $0.count == min(shape.rope.width ?? width, width) / 2 ? $0 : nil }
        return (
          width,
          RotationOperator(
            shape.rope, divisors: own ?? shape.ropeDivisors(headWidth: width), headWidth: width,
            positions: contextTokens, pool: pool)
        )
      })
  }
}
