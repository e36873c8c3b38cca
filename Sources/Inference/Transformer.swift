// SPDX-License-Identifier: Apache-2.0
import CKernels
internal import CostModel
internal import LanguageModel

/// The forward pass of a decoder: embedding, layers of attention and feed-forward, head.
///
/// One pass for every architecture: what differs is in the model's rules and in which tensors it has. This, its products,
/// its cache and its layers are classes: as values they would be copied for each job, with a count for each reference.
/// - Shapes: t tokens of a chunk, d hidden, h heads and g KV heads of width w, f feed-forward; all row-major.
final class Transformer: @unchecked Sendable {
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

  /// Runs tokens of one or several sequences; their last hidden states stay in the buffer, row by row.
  ///
  /// - Precondition: at most a micro-batch of tokens, all in the vocabulary, with room in their caches.
  /// - Parameter layers: runs only so many layers from the first on, to time a part.
  func run(_ batch: Batch, layers: Int = .max) {
    for part in batch.parts { embed(part, into: buffers.floats(.hidden)) }
    clock?.lap(.embedding)
    runStates(batch, layers: layers)
  }

  /// Runs what lies in the buffer of hidden states through the layers, in place; of the batch only the places count.
  func runStates(_ batch: Batch, layers: Int = .max) {
    products.pool.withThreads(ofRows: batch.rows) { runLayers(layers, batch) }
  }

  private func runLayers(_ count: Int, _ batch: Batch) {
    let x = buffers.floats(.hidden)  // (t, d)
    cache.makeRoom(for: batch, on: products.pool)
    for part in batch.parts {
      rope.fill(rows: part.rows, from: part.first)
      windowRope?.fill(rows: part.rows, from: part.first)
    }
    clock?.lap(.rotation)
    for index in model.layers.indices.prefix(count) {
      run(layer: index, batch, x)
      clock?.endLayer()
    }
  }

  // sequential:  x += attention(norm(x));  x += feedForward(norm(x))
  // parallel:    x += attention(norm(x)) + feedForward(norm(x))
  private func run(layer index: Int, _ batch: Batch, _ x: UnsafeMutablePointer<Float>) {
    let layer = model.layers[index]
    let part = buffers.floats(.projected)  // (t, d)
    let input = normed(x, by: layer.attentionNorm, tokens: batch.rows)  // (t, d)
    let (first, second) = (stream(x, after: layer.attentionPostNorm), stream(x, after: layer.feedForwardPostNorm))
    let isAdded =
      switch layer.mixer {
      case .attention(let attention):
        attend(attention, to: input, batch, layer: index, into: part, orAddingTo: first)
      case .latent(let latent): attend(latent, to: input, batch, layer: index, into: part, orAddingTo: first)
      }
    let isParallel = rules.residual == .parallel
    let parallel = isParallel ? layer.feedForwardNorm.map { normed(x, by: $0, tokens: batch.rows) } ?? input : nil
    if !isAdded { add(part, after: layer.attentionPostNorm, tokens: batch.rows, to: x) }
    let own = parallel ?? normed(x, by: layer.feedForwardNorm, tokens: batch.rows)
    let isAlsoAdded = feedForward(ofLayer: index, own, tokens: batch.rows, into: part, orAddingTo: second)
    if !isAlsoAdded { add(part, after: layer.feedForwardPostNorm, tokens: batch.rows, to: x) }
  }

  /// The residual stream, where the last product of a part may add to it: not where its outputs are scaled or
  /// normalised first, nor while the other part still reads it.
  private func stream(
    _ x: UnsafeMutablePointer<Float>, after norm: PreparedNorm?
  ) -> UnsafeMutablePointer<Float>? {
    norm == nil && rules.residualScale == 1 && rules.residual == .sequential ? x : nil
  }

  /// The logits (rows, vocabulary) of some rows of the last pass, at most as many as the plan has room for.
  func logits(rows: [Int]) -> UnsafeMutablePointer<Float> {
    products.pool.withThreads(ofRows: rows.count) { headLogits(rows: rows) }
  }

  private func headLogits(rows: [Int]) -> UnsafeMutablePointer<Float> {
    let logits = buffers.floats(.logits)
    let vocabulary = model.head.matrix.rows
    let states = buffers.floats(.projected)  // (rows, d)
    for (index, row) in rows.enumerated() {
      (states + index * hidden).update(from: buffers.floats(.hidden) + row * hidden, count: hidden)
    }
    let normed = normed(states, by: model.outputNorm, tokens: rows.count)
    expectStart(ofLayer: 0, tokens: rows.count)
    multiply(normed, tokens: rows.count, by: [model.head.matrix], into: [logits])
    for row in rows.indices { finish(logits + row * vocabulary, count: Int64(vocabulary)) }
    clock?.lap(.logits)
    return logits
  }

  private func finish(_ logits: UnsafeMutablePointer<Float>, count: Int64) {
    if let bias = model.head.bias { kernels.pointee.add(bias, logits, count) }
    if rules.logitScale != 1 { ck_scale(logits, Float(rules.logitScale), count) }
    if let cap = rules.logitCap { ck_soft_cap(logits, count, Float(cap)) }
  }

  // x = norm(scale · embedding[token]) + positions[position]
  func embed(_ part: Batch.Part, into x: UnsafeMutablePointer<Float>) {
    for (row, token) in zip(part.rows, part.tokens) {
      model.embedding.decode(row: Int(token), into: x + row * hidden, with: kernels)
      if rules.embeddingScale != 1 { ck_scale(x + row * hidden, Float(rules.embeddingScale), Int64(hidden)) }
      if let norm = model.embeddingNorm { normalise(x + row * hidden, norm, width: hidden, into: x + row * hidden) }
      guard let positions = model.positions else { continue }
      let learnt = buffers.floats(.projected)  // (d)
      positions.decode(row: part.first + row - part.row + rules.positionOffset, into: learnt, with: kernels)
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

  /// A few tokens go through matrix-vector products, more through blocked ones.
  func multiply(
    _ x: UnsafePointer<Float>, tokens: Int, by matrices: [PreparedMatrix], into outputs: [UnsafeMutablePointer<Float>]
  ) {
    watcher?(x, tokens, matrices)
    products.multiply(x, tokens: tokens, by: matrices, into: outputs)
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

  /// The same, or `stream` += x · Wᵀ where there is one and the product can add.
  ///
  /// - Returns: whether it did.
  func apply(
    _ linear: PreparedLinear, to x: UnsafePointer<Float>, tokens: Int, into y: UnsafeMutablePointer<Float>,
    orAddingTo stream: UnsafeMutablePointer<Float>?
  ) -> Bool {
    if let stream, linear.isPlain,
      products.multiply(x, tokens: tokens, by: linear.matrix, in: y, addingTo: stream)
    {
      watcher?(x, tokens, [linear.matrix])
      return true
    }
    apply(linear, to: x, tokens: tokens, into: y)
    return false
  }
}
