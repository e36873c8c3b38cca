// SPDX-License-Identifier: Apache-2.0
internal import LanguageModel

/// Forward and backward passes of one window of tokens.
package final class WindowPass<Number: TrainingNumber>: @unchecked Sendable {
  typealias Pointer = UnsafeMutablePointer<Number>

  package let network: Network<Number>
  let memory: WindowMemory<Number>
  private var operators: Operators<Number> { network.operators }
  private var hidden: Int { network.shape.hidden }

  package init(_ network: Network<Number>) {
    self.network = network
    memory = WindowMemory(
      network.shape, tokens: network.contextTokens, keepsLayers: network.adaptation != .frozen)
  }

  /// Runs tokens through all layers; the normed state of each is then in `memory.normed`.
  ///
  /// - Precondition: at most the network's context, all in the vocabulary.
  func forward(_ tokens: ArraySlice<Int32>) {
    let t = tokens.count
    network.embed(tokens, into: memory.stream.address)
    for index in network.layers.indices { forward(layer: index, tokens: t) }
    operators.norm.apply(
      network.norm(network.outputNorm, .init(.outputNorm)), to: memory.stream.address, tokens: t,
      into: memory.normed.address)
  }

  // x += O · attention(norm(x));  x += down · (silu(gate · norm(x)) ⊙ (up · norm(x)))
  private func forward(layer index: Int, tokens t: Int) {
    let (layer, kept, x) = (network.layers[index], memory.layer(index), memory.stream.address)
    let part = memory.part.address
    kept.input.address.update(from: x, count: t * hidden)
    operators.norm.apply(
      network.norm(layer.attentionNorm, .init(.attentionNorm, layer: index)), to: x, tokens: t,
      into: kept.attentionInput.address)
    attend(index, layer, kept, tokens: t)
    operators.linear.apply(layer.output, to: kept.mixed.address, tokens: t, into: part)
    add(part, to: x, count: t * hidden)
    kept.middle.address.update(from: x, count: t * hidden)
    operators.norm.apply(
      network.norm(layer.feedForwardNorm, .init(.feedForwardNorm, layer: index)), to: x, tokens: t,
      into: kept.feedForwardInput.address)
    operators.linear.apply(layer.gate, to: kept.feedForwardInput.address, tokens: t, into: kept.gate.address)
    operators.linear.apply(layer.up, to: kept.feedForwardInput.address, tokens: t, into: kept.up.address)
    operators.gate.apply(
      gate: kept.gate.address, up: kept.up.address, count: t * layer.shape.inner, into: kept.activated.address)
    operators.linear.apply(layer.down, to: kept.activated.address, tokens: t, into: part)
    add(part, to: x, count: t * hidden)
  }

  private func attend(_ index: Int, _ layer: Network<Number>.Layer, _ kept: LayerMemory<Number>, tokens t: Int) {
    let input = kept.attentionInput.address
    operators.linear.apply(layer.query, to: input, tokens: t, into: kept.queries.address)
    operators.linear.apply(layer.key, to: input, tokens: t, into: kept.keys.address)
    operators.linear.apply(layer.value, to: input, tokens: t, into: kept.values.address)
    rotate(kept.queries.address, kept.keys.address, layer.shape, tokens: t)
    operators.attention[index].apply(
      queries: kept.queries.address, keys: kept.keys.address, values: kept.values.address, tokens: t,
      into: kept.mixed.address)
  }

  private func rotate(
    _ queries: Pointer, _ keys: Pointer, _ shape: NetworkShape.Layer, tokens t: Int, isInverse: Bool = false
  ) {
    guard let rotation = operators.rotations[shape.headWidth] else { return }
    for (x, heads) in [(queries, shape.heads), (keys, shape.groups)] {
      rotation.apply(to: x, tokens: t, heads: heads, headWidth: shape.headWidth, isInverse: isInverse)
    }
  }

  /// Adds the gradients of everything that is trained; `memory.part` holds those of the normed state.
  func backward(_ tokens: ArraySlice<Int32>) {
    let (t, dx) = (tokens.count, memory.gradient.address)
    dx.update(repeating: 0, count: t * hidden)
    differentiateNorm(network.outputNorm, .init(.outputNorm), memory.stream.address, tokens: t)
    for index in network.layers.indices.reversed() {
      differentiateFeedForward(index, tokens: t)
      differentiateAttention(index, tokens: t)
    }
    network.addEmbeddingGradient(tokens, dx)
  }

  private func differentiateFeedForward(_ index: Int, tokens t: Int) {
    let (layer, kept, dx) = (network.layers[index], memory.layer(index), memory.gradient.address)
    let linear = operators.linear
    let (part, input) = (memory.part.address, kept.feedForwardInput.address)
    let activated = memory.activated.address
    linear.differentiate(layer.down, dx, x: kept.activated.address, tokens: t, adds: false, into: activated)
    let (gate, up) = (kept.gate.address, kept.up.address)
    operators.gate.differentiate(activated, gate: gate, up: up, count: t * layer.shape.inner)
    linear.differentiate(layer.gate, gate, x: input, tokens: t, adds: false, into: part)
    linear.differentiate(layer.up, up, x: input, tokens: t, adds: true, into: part)
    differentiateNorm(
      layer.feedForwardNorm, .init(.feedForwardNorm, layer: index), kept.middle.address, tokens: t)
  }

  private func differentiateAttention(_ index: Int, tokens t: Int) {
    let (layer, kept, dx) = (network.layers[index], memory.layer(index), memory.gradient.address)
    let linear = operators.linear
    let (part, input) = (memory.part.address, kept.attentionInput.address)
    let (queries, keys, values) = (memory.queries.address, memory.keys.address, memory.values.address)
    linear.differentiate(
      layer.output, dx, x: kept.mixed.address, tokens: t, adds: false, into: memory.mixed.address)
    for buffer in [keys, values] { buffer.update(repeating: 0, count: t * layer.key.rows) }
    operators.attention[index].differentiate(
      memory.mixed.address, queries: kept.queries.address, keys: kept.keys.address, values: kept.values.address,
      tokens: t, into: .init(queries: queries, keys: keys, values: values))
    rotate(queries, keys, layer.shape, tokens: t, isInverse: true)
    linear.differentiate(layer.query, queries, x: input, tokens: t, adds: false, into: part)
    linear.differentiate(layer.key, keys, x: input, tokens: t, adds: true, into: part)
    linear.differentiate(layer.value, values, x: input, tokens: t, adds: true, into: part)
    differentiateNorm(layer.attentionNorm, .init(.attentionNorm, layer: index), kept.input.address, tokens: t)
  }

  /// The gradient of the stream before a norm, from that of what came out of it (`memory.part`).
  private func differentiateNorm(_ weight: Weight<Number>, _ key: ParameterKey, _ x: Pointer, tokens t: Int) {
    let dy = memory.part.address
    operators.norm.addInputGradient(
      network.norm(weight, key), x, dy, tokens: t, into: memory.gradient.address)
    guard let slot = weight.slot else { return }
    operators.norm.addWeightGradient(x, dy, tokens: t, into: operators.linear.gradient(slot))
  }

  private func add(_ part: Pointer, to x: Pointer, count: Int) {
    for i in 0..<count { x[i] += part[i] }
  }
}
