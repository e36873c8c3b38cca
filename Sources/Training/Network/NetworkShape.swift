// SPDX-License-Identifier: Apache-2.0
package import LanguageModel

/// The shapes of a network of the llama family: all that the trainer knows of a model.
package struct NetworkShape: Sendable, Equatable {
  package struct Layer: Sendable, Equatable {
    package var heads: Int
    package var groups: Int
    package var headWidth: Int
    package var inner: Int
  }

  package var vocabulary: Int
  package var hidden: Int
  package var layers: [Layer]
  package var isTied: Bool
  package var epsilon: Double
  package var rope: RopeRules

  package init(
    vocabulary: Int, hidden: Int, layers: [Layer], isTied: Bool, epsilon: Double = 1e-5,
    rope: RopeRules = RopeRules(pairing: .neighbours)
  ) {
    self.vocabulary = vocabulary
    self.hidden = hidden
    self.layers = layers
    self.isTied = isTied
    self.epsilon = epsilon
    self.rope = rope
  }

  /// - Throws: `TrainingError.architecture` for anything that the backward pass does not know.
  package init(_ description: LanguageModelDescription) throws(TrainingError) {
    let architecture = description.architecture
    let name = architecture.modelType
    try Self.check(architecture.forward, name)
    for tensor in description.inventory.tensors where !Self.knows(tensor) {
      throw .architecture(name, reason: "it has the tensor '\(tensor.ggufName ?? "\(tensor.role)")'")
    }
    var layers: [Layer] = []
    for layer in architecture.layers {
      guard layer.mixers.count == 1, case .attention(let attention)? = layer.mixers.first, attention.window == nil,
        attention.isRotated, attention.keyWidth == attention.valueWidth, attention.indexWidth == 0,
        attention.heads % max(1, attention.keyValueHeads) == 0
      else { throw .architecture(name, reason: "layer \(layers.count) is no plain attention over the whole context") }
      guard let part = layer.feedForward, part.isGated, part.experts == 0, part.width > 0 else {
        throw .architecture(name, reason: "the feed-forward part of layer \(layers.count) is not dense and gated")
      }
      layers.append(
        Layer(
          heads: attention.heads, groups: attention.keyValueHeads, headWidth: attention.keyWidth, inner: part.width))
    }
    self.init(
      vocabulary: architecture.vocabularySize, hidden: architecture.hiddenSize, layers: layers,
      isTied: !description.inventory.tensors.contains { $0.role == .outputHead },
      epsilon: architecture.forward.normEpsilon, rope: architecture.forward.rope)
  }

  private static func check(_ rules: ForwardRules, _ name: String) throws(TrainingError) {
    var plain = ForwardRules(normEpsilon: rules.normEpsilon, rope: rules.rope)
    plain.routing = rules.routing
    guard rules == plain else {
      throw .architecture(name, reason: "its norms, activations, scales or rotations are not those of llama")
    }
    switch rules.rope.scaling {
    case .none, .linear, .llama3: return
    case .yarn, .longRope: throw .architecture(name, reason: "its rotary positions are stretched")
    }
  }

  private static func knows(_ tensor: TensorDescription) -> Bool {
    tensor.part == .whole && tensor.copies == 1
      && (tensor.role == .ropeFactors || tensor.role.isTrained)
  }

  /// What each rotary frequency is divided by, where no tensor says so.
  func ropeDivisors(headWidth: Int) -> [Double] {
    let width = min(rope.width ?? headWidth, headWidth)
    switch rope.scaling {
    case .linear(let factor): return [Double](repeating: factor, count: width / 2)
    case .llama3(let llama): return llama.divisors(width: width, base: rope.base)
    case .none, .yarn, .longRope: return [Double](repeating: 1, count: width / 2)
    }
  }

  /// The widest of each layer's buffers.
  var widestQueries: Int { layers.map { $0.heads * $0.headWidth }.max() ?? 0 }
  var widestKeys: Int { layers.map { $0.groups * $0.headWidth }.max() ?? 0 }
  var widestInner: Int { layers.map(\.inner).max() ?? 0 }
}

/// A learnt tensor by what it does.
package struct ParameterKey: Hashable, Sendable {
  package var role: TensorRole
  /// -1 outside the layers.
  package var layer: Int

  package init(_ role: TensorRole, layer: Int = -1) {
    self.role = role
    self.layer = layer
  }

  /// Its name in a GGUF file.
  package var name: String { role.ggufName(layer: layer) ?? "\(role) \(layer)" }
}

/// A learnt tensor's shape: a vector has one row.
package struct ParameterShape: Sendable, Equatable {
  package let key: ParameterKey
  package let rows: Int
  package let columns: Int

  package var count: Int { rows * columns }
  package var isVector: Bool { key.role.isNorm }
}

extension TensorRole {
  /// The roles that the network has.
  var isTrained: Bool { isNorm || isProjection || self == .tokenEmbedding || self == .outputHead }

  var isNorm: Bool { self == .attentionNorm || self == .feedForwardNorm || self == .outputNorm }

  /// The matrices of a layer, which may have an adapter.
  package var isProjection: Bool { Self.projections.contains(self) }

  package static let projections: [TensorRole] = [
    .attentionQuery, .attentionKey, .attentionValue, .attentionOutput, .feedForwardGate, .feedForwardUp,
    .feedForwardDown,
  ]
}

extension NetworkShape {
  /// Every learnt tensor, in the order of a file.
  package var parameters: [ParameterShape] {
    var list = [ParameterShape(key: .init(.tokenEmbedding), rows: vocabulary, columns: hidden)]
    for (index, layer) in layers.enumerated() { list += parameters(of: layer, index) }
    list.append(ParameterShape(key: .init(.outputNorm), rows: 1, columns: hidden))
    if !isTied { list.append(ParameterShape(key: .init(.outputHead), rows: vocabulary, columns: hidden)) }
    return list
  }

  private func parameters(of layer: Layer, _ index: Int) -> [ParameterShape] {
    func matrix(_ role: TensorRole, _ rows: Int, _ columns: Int) -> ParameterShape {
      ParameterShape(key: .init(role, layer: index), rows: rows, columns: columns)
    }
    let (queries, keys) = (layer.heads * layer.headWidth, layer.groups * layer.headWidth)
    return [
      matrix(.attentionNorm, 1, hidden), matrix(.attentionQuery, queries, hidden), matrix(.attentionKey, keys, hidden),
      matrix(.attentionValue, keys, hidden), matrix(.attentionOutput, hidden, queries),
      matrix(.feedForwardNorm, 1, hidden), matrix(.feedForwardGate, layer.inner, hidden),
      matrix(.feedForwardUp, layer.inner, hidden), matrix(.feedForwardDown, hidden, layer.inner),
    ]
  }
}
