// SPDX-License-Identifier: Apache-2.0

/// What a layer's forward pass leaves for its gradients.
///
/// - Shapes: t tokens, d hidden, h heads and g groups of width w, f inner; all row-major.
struct LayerMemory<Number: TrainingNumber> {
  let input: NumberBuffer<Number>  // (t, d)
  let attentionInput: NumberBuffer<Number>  // (t, d), normed
  let queries: NumberBuffer<Number>  // (t, h, w), rotated
  let keys: NumberBuffer<Number>  // (t, g, w), rotated
  let values: NumberBuffer<Number>  // (t, g, w)
  let mixed: NumberBuffer<Number>  // (t, h, w)
  let middle: NumberBuffer<Number>  // (t, d), after attention
  let feedForwardInput: NumberBuffer<Number>  // (t, d), normed
  let gate: NumberBuffer<Number>  // (t, f)
  let up: NumberBuffer<Number>  // (t, f)
  let activated: NumberBuffer<Number>  // (t, f)

  init(tokens t: Int, hidden: Int, queries: Int, keys: Int, inner: Int) {
    input = NumberBuffer(t * hidden)
    attentionInput = NumberBuffer(t * hidden)
    self.queries = NumberBuffer(t * queries)
    self.keys = NumberBuffer(t * keys)
    values = NumberBuffer(t * keys)
    mixed = NumberBuffer(t * queries)
    middle = NumberBuffer(t * hidden)
    feedForwardInput = NumberBuffer(t * hidden)
    gate = NumberBuffer(t * inner)
    up = NumberBuffer(t * inner)
    activated = NumberBuffer(t * inner)
  }
}

/// The memory of one window's passes.
struct WindowMemory<Number: TrainingNumber> {
  /// One for each layer, or one that all layers share where no gradients follow.
  private let layers: [LayerMemory<Number>]
  let stream: NumberBuffer<Number>  // (t, d)
  let normed: NumberBuffer<Number>  // (t, d)
  let part: NumberBuffer<Number>  // (t, d)
  let gradient: NumberBuffer<Number>  // (t, d), of the stream
  let queries: NumberBuffer<Number>  // gradients, as in LayerMemory
  let keys: NumberBuffer<Number>
  let values: NumberBuffer<Number>
  let mixed: NumberBuffer<Number>
  let activated: NumberBuffer<Number>
  let logits: NumberBuffer<Number>  // (rows, vocabulary)

  /// Tokens whose logits are in memory at once.
  static var logitRows: Int { 64 }

  init(_ shape: NetworkShape, tokens t: Int, keepsLayers: Bool) {
    let shared = { (layer: NetworkShape.Layer?) in
      LayerMemory<Number>(
        tokens: t, hidden: shape.hidden, queries: layer.map { $0.heads * $0.headWidth } ?? shape.widestQueries,
        keys: layer.map { $0.groups * $0.headWidth } ?? shape.widestKeys, inner: layer?.inner ?? shape.widestInner)
    }
    layers = keepsLayers ? shape.layers.map { shared($0) } : [shared(nil)]
    let backward = keepsLayers ? t : 0
    stream = NumberBuffer(t * shape.hidden)
    normed = NumberBuffer(t * shape.hidden)
    part = NumberBuffer(t * shape.hidden)
    gradient = NumberBuffer(backward * shape.hidden)
    queries = NumberBuffer(backward * shape.widestQueries)
    keys = NumberBuffer(backward * shape.widestKeys)
    values = NumberBuffer(backward * shape.widestKeys)
    mixed = NumberBuffer(backward * shape.widestQueries)
    activated = NumberBuffer(backward * shape.widestInner)
    logits = NumberBuffer(min(t, Self.logitRows) * shape.vocabulary)
  }

  func layer(_ index: Int) -> LayerMemory<Number> { layers[min(index, layers.count - 1)] }
}
