// SPDX-License-Identifier: Apache-2.0
import CKernels
internal import CostModel
internal import LanguageModel

/// The forward pass of a decoder: embedding, layers of attention and feed-forward, head.
///
/// One pass for every architecture: what differs is in the model's rules and in which tensors it has.
/// - Shapes: t tokens of a chunk, d hidden, h heads and g KV heads of width w, f feed-forward; all row-major.
struct Transformer: @unchecked Sendable {
  let model: PreparedModel
  let products: Products
  let cache: KVCache
  let rope: RopeTable
  /// The rotation of layers with a sliding window, where it differs.
  let windowRope: RopeTable?
  let buffers: RuntimeBuffers
  /// Sees the inputs (tokens, columns) of each product and the matrices that they are multiplied by.
  var watcher: ((_ x: UnsafePointer<Float>, _ tokens: Int, _ matrices: [PreparedMatrix]) -> Void)?

  init(
    model: PreparedModel, products: Products, cache: KVCache, shape: RuntimeShape, contextTokens: Int,
    buffers: RuntimeBuffers
  ) {
    self.model = model
    self.products = products
    self.cache = cache
    self.buffers = buffers
    let rules = model.architecture.forward
    let table = buffers.floats(.ropeTables)
    let width = rules.windowRope == nil ? shape.rotated : shape.rotated / 2
    rope = RopeTable(
      rules: rules.rope, factors: model.ropeFactors, headWidth: width, contextTokens: contextTokens, table: table)
    windowRope = rules.windowRope.map {
      let second = table + width * buffers.plan.microBatch
      return RopeTable(
        rules: $0, factors: .none, headWidth: width, contextTokens: contextTokens, table: second)
    }
  }

  var kernels: UnsafePointer<ck_kernels> { products.kernels.row }
  var rules: ForwardRules { model.architecture.forward }
  var hidden: Int { model.architecture.hiddenSize }
  /// Told after each operator what was done.
  var clock: OperatorClock? { products.pool.clock }

  /// Runs a chunk of tokens of one sequence at positions `first ...`; the last hidden state stays in the buffer.
  ///
  /// - Precondition: at most a micro-batch of tokens, all in the vocabulary, with room in the context.
  /// - Parameter layers: runs only so many layers from the first on, to time a part.
  func run(_ tokens: ArraySlice<Int32>, at first: Int, sequence: Int, layers: Int = .max) {
    let x = buffers.floats(.hidden)  // (t, d)
    embed(tokens, at: first, into: x)
    clock?.lap(.embedding)
    rope.fill(from: first, count: tokens.count)
    windowRope?.fill(from: first, count: tokens.count)
    clock?.lap(.rotation)
    for index in model.layers.indices.prefix(layers) {
      run(
        layer: model.layers[index], Chunk(tokens: tokens.count, first: first), cache.layer(index, sequence: sequence), x
      )
    }
  }

  /// The tokens of one pass: how many, and the position of the first.
  struct Chunk {
    let tokens: Int
    let first: Int
  }

  // sequential:  x += attention(norm(x));  x += feedForward(norm(x))
  // parallel:    x += attention(norm(x)) + feedForward(norm(x))
  private func run(layer: PreparedLayer, _ chunk: Chunk, _ place: KVCache.Layer, _ x: UnsafeMutablePointer<Float>) {
    let part = buffers.floats(.projected)  // (t, d)
    let input = normed(x, by: layer.attentionNorm, tokens: chunk.tokens)  // (t, d)
    switch layer.mixer {
    case .attention(let attention): attend(attention, to: input, chunk, place, into: part)
    case .latent(let latent): attend(latent, to: input, chunk, place, into: part)
    }
    if rules.residual == .parallel {
      let own = layer.feedForwardNorm.map { normed(x, by: $0, tokens: chunk.tokens) }
      add(part, after: layer.attentionPostNorm, tokens: chunk.tokens, to: x)
      feedForward(layer.feedForward, own ?? input, tokens: chunk.tokens, into: part)
    } else {
      add(part, after: layer.attentionPostNorm, tokens: chunk.tokens, to: x)
      let own = normed(x, by: layer.feedForwardNorm, tokens: chunk.tokens)
      feedForward(layer.feedForward, own, tokens: chunk.tokens, into: part)
    }
    add(part, after: layer.feedForwardPostNorm, tokens: chunk.tokens, to: x)
  }

  /// The logits (vocabulary) of one token of the last chunk.
  func logits(token: Int) -> UnsafeMutablePointer<Float> {
    let state = buffers.floats(.hidden) + token * hidden
    let logits = buffers.floats(.logits)
    let vocabulary = model.head.matrix.rows
    let normed = normed(state, by: model.outputNorm, tokens: 1)
    watcher?(normed, 1, [model.head.matrix])
    products.multiply(normed, by: [model.head.matrix], into: [logits])
    if let bias = model.head.bias { kernels.pointee.add(bias, logits, Int64(vocabulary)) }
    if rules.logitScale != 1 { ck_scale(logits, Float(rules.logitScale), Int64(vocabulary)) }
    if let cap = rules.logitCap { ck_soft_cap(logits, Int64(vocabulary), Float(cap)) }
    clock?.lap(.logits)
    return logits
  }

  // x = scale · embedding[token] + positions[position]
  private func embed(_ tokens: ArraySlice<Int32>, at first: Int, into x: UnsafeMutablePointer<Float>) {
    for (row, token) in tokens.enumerated() {
      model.embedding.decode(row: Int(token), into: x + row * hidden, with: kernels)
      if rules.embeddingScale != 1 { ck_scale(x + row * hidden, Float(rules.embeddingScale), Int64(hidden)) }
      guard let positions = model.positions else { continue }
      let learnt = buffers.floats(.projected)  // (d)
      positions.decode(row: first + row + rules.positionOffset, into: learnt, with: kernels)
      kernels.pointee.add(learnt, x + row * hidden, Int64(hidden))
    }
  }

  /// The norm of each token, or the tokens themselves without one.
  private func normed(
    _ x: UnsafeMutablePointer<Float>, by norm: PreparedNorm?, tokens: Int
  ) -> UnsafePointer<Float> {
    guard let norm else { return UnsafePointer(x) }
    let y = buffers.floats(.normed)  // (t, d)
    products.pool.forEachChunk(of: tokens, grain: 16) { _, rows in
      for row in rows { normalise(x + row * hidden, norm, width: hidden, into: y + row * hidden) }
    }
    clock?.lap(.norm)
    return UnsafePointer(y)
  }

  /// One vector's norm of the model's kind; may work in place.
  func normalise(
    _ x: UnsafePointer<Float>, _ norm: PreparedNorm, width: Int, into y: UnsafeMutablePointer<Float>
  ) {
    let epsilon = Float(rules.normEpsilon)
    switch rules.norm {
    case .rms: kernels.pointee.rms_norm(x, norm.weight, y, Int64(width), epsilon)
    case .layer: ck_layer_norm(x, norm.weight, norm.bias, y, Int64(width), epsilon)
    }
  }

  // x += scale · norm(part)
  private func add(
    _ part: UnsafeMutablePointer<Float>, after norm: PreparedNorm?, tokens: Int, to x: UnsafeMutablePointer<Float>
  ) {
    let scale = Float(rules.residualScale)
    products.pool.forEachChunk(of: tokens, grain: max(1, 32_768 / hidden)) { _, rows in
      let start = rows.lowerBound * hidden
      let count = Int64(rows.count * hidden)
      if let norm {
        for row in rows { normalise(part + row * hidden, norm, width: hidden, into: part + row * hidden) }
      }
      if scale == 1 {
        kernels.pointee.add(part + start, x + start, count)
      } else {
        ck_add_scaled(part + start, scale, x + start, count)
      }
    }
    clock?.lap(.residual)
  }

  /// One token goes through matrix-vector products, more through blocked ones.
  func multiply(
    _ x: UnsafePointer<Float>, tokens: Int, by matrices: [PreparedMatrix], into outputs: [UnsafeMutablePointer<Float>]
  ) {
    watcher?(x, tokens, matrices)
    if tokens == 1 {
      products.multiply(x, by: matrices, into: outputs)
    } else {
      products.multiply(x, tokens: tokens, by: matrices, into: outputs)
    }
  }

  /// y = x · Wᵀ + b for each token.
  func apply(
    _ linear: PreparedLinear, to x: UnsafePointer<Float>, tokens: Int, into y: UnsafeMutablePointer<Float>
  ) {
    multiply(x, tokens: tokens, by: [linear], into: [y])
    guard let bias = linear.bias else { return }
    let width = linear.matrix.rows
    for row in 0..<tokens { kernels.pointee.add(bias, y + row * width, Int64(width)) }
  }
}
