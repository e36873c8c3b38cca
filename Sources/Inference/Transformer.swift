// SPDX-License-Identifier: Apache-2.0
import CKernels
internal import CostModel
internal import LanguageModel

/// The forward pass of a decoder: embedding, layers of attention and feed-forward, head.
///
/// - Shapes: t tokens of a chunk, d hidden, h heads and g KV heads of width w, f feed-forward; all row-major.
struct Transformer: @unchecked Sendable {
  let model: PreparedModel
  let products: Products
  let cache: KVCache
  let rope: RopeTable
  let buffers: RuntimeBuffers

  private var kernels: UnsafePointer<ck_kernels> { products.kernels.row }
  private var hidden: Int { model.architecture.hiddenSize }
  private var epsilon: Float { Float(model.architecture.forward.normEpsilon) }

  /// Runs a chunk of tokens of one sequence at positions `first ...`; the last hidden state stays in the buffer.
  ///
  /// - Precondition: at most a micro-batch of tokens, all in the vocabulary, with room in the context.
  /// - Parameter layers: runs only so many from the first on, to time a part.
  func run(_ tokens: ArraySlice<Int32>, at first: Int, sequence: Int, layers: Int = .max) {
    let x = buffers.floats(.hidden)  // (t, d)
    embed(tokens, into: x)
    rope.fill(from: first, count: tokens.count)
    for index in model.layers.indices.prefix(layers) {
      attend(layer: index, tokens: tokens.count, at: first, sequence: sequence, x)
      feedForward(layer: model.layers[index], tokens: tokens.count, x)
    }
  }

  /// The logits (vocabulary) of one token of the last chunk.
  func logits(token: Int) -> UnsafeMutablePointer<Float> {
    let normed = buffers.floats(.normed)
    let logits = buffers.floats(.logits)
    kernels.pointee.rms_norm(
      buffers.floats(.hidden) + token * hidden, model.outputNorm, normed, Int64(hidden), epsilon)
    products.multiply(normed, by: [model.head], into: [logits])
    return logits
  }

  private func embed(_ tokens: ArraySlice<Int32>, into x: UnsafeMutablePointer<Float>) {
    for (row, token) in tokens.enumerated() {
      model.embedding.decode(row: Int(token), into: x + row * hidden, with: kernels)
    }
  }

  private func norm(
    _ x: UnsafePointer<Float>, _ weight: UnsafePointer<Float>, tokens: Int, into normed: UnsafeMutablePointer<Float>
  ) {
    products.pool.forEachChunk(of: tokens, grain: 16) { _, rows in
      for row in rows {
        kernels.pointee.rms_norm(x + row * hidden, weight, normed + row * hidden, Int64(hidden), epsilon)
      }
    }
  }

  /// One token goes through matrix-vector products, more through blocked ones.
  private func multiply(
    _ x: UnsafePointer<Float>, tokens: Int, by matrices: [PreparedMatrix], into outputs: [UnsafeMutablePointer<Float>]
  ) {
    if tokens == 1 {
      products.multiply(x, by: matrices, into: outputs)
    } else {
      products.multiply(x, tokens: tokens, by: matrices, into: outputs)
    }
  }

  private func add(_ x: UnsafePointer<Float>, to y: UnsafeMutablePointer<Float>, count: Int) {
    products.pool.forEachChunk(of: count, grain: 32_768) { _, range in
      kernels.pointee.add(x + range.lowerBound, y + range.lowerBound, Int64(range.count))
    }
  }

  // x += O · attention(rope(Q · norm(x)), rope(K · norm(x)), V · norm(x))
  private func attend(layer index: Int, tokens: Int, at first: Int, sequence: Int, _ x: UnsafeMutablePointer<Float>) {
    let layer = model.layers[index]
    let normed = buffers.floats(.normed)  // (t, d)
    let queries = buffers.floats(.queries)  // (t, h, w)
    let keys = buffers.floats(.newKeys)  // (t, g, w)
    let values = buffers.floats(.newValues)  // (t, g, w)
    let mixed = buffers.floats(.mixed)  // (t, h, w)
    let projected = buffers.floats(.projected)  // (t, d)
    norm(x, layer.attentionNorm, tokens: tokens, into: normed)
    multiply(normed, tokens: tokens, by: [layer.query, layer.key, layer.value], into: [queries, keys, values])
    let place = cache.layer(index, sequence: sequence)
    products.pool.forEachChunk(of: tokens, grain: 8) { _, rows in
      for row in rows { position(row, first + row, layer, place) }
    }
    AttentionPass(
      attention: layer.attention, cache: cache, place: place, queries: queries, mixed: mixed,
      scratch: buffers.floats(.attentionScratch), kernels: kernels
    ).run(tokens: tokens, at: first, on: products.pool)
    multiply(mixed, tokens: tokens, by: [layer.output], into: [projected])
    add(projected, to: x, count: tokens * hidden)
  }

  /// Adds biases, rotates queries and keys, and stores the new key and value of one token.
  private func position(_ row: Int, _ position: Int, _ layer: PreparedLayer, _ place: KVCache.Layer) {
    let shape = layer.attention
    let queries = buffers.floats(.queries) + row * layer.query.rows
    let keys = buffers.floats(.newKeys) + row * layer.key.rows
    let values = buffers.floats(.newValues) + row * layer.value.rows
    if let bias = layer.queryBias { kernels.pointee.add(bias, queries, Int64(layer.query.rows)) }
    if let bias = layer.keyBias { kernels.pointee.add(bias, keys, Int64(layer.key.rows)) }
    if let bias = layer.valueBias { kernels.pointee.add(bias, values, Int64(layer.value.rows)) }
    for head in 0..<shape.heads { rotate(queries + head * shape.keyWidth, row) }
    for head in 0..<shape.keyValueHeads { rotate(keys + head * shape.keyWidth, row) }
    cache.store(keys, count: layer.key.rows, at: place.keys + position * place.keyPositionBytes, kernels: kernels)
    cache.store(
      values, count: layer.value.rows, at: place.values + position * place.valuePositionBytes, kernels: kernels)
  }

  private func rotate(_ head: UnsafeMutablePointer<Float>, _ row: Int) {
    switch model.architecture.forward.ropePairing {
    case .neighbours: ck_rope_neighbours(head, Int64(rope.width), rope.cosines(row: row), rope.sines(row: row))
    case .halves: ck_rope_halves(head, Int64(rope.width), rope.cosines(row: row), rope.sines(row: row))
    }
  }

  // x += down · (silu(gate · norm(x)) ⊙ (up · norm(x)))
  private func feedForward(layer: PreparedLayer, tokens: Int, _ x: UnsafeMutablePointer<Float>) {
    let normed = buffers.floats(.normed)  // (t, d)
    let gate = buffers.floats(.gate)  // (t, f)
    let up = buffers.floats(.up)  // (t, f)
    let projected = buffers.floats(.projected)  // (t, d)
    norm(x, layer.feedForwardNorm, tokens: tokens, into: normed)
    multiply(normed, tokens: tokens, by: [layer.gate, layer.up], into: [gate, up])
    products.pool.forEachChunk(of: tokens * layer.gate.rows, grain: 16_384) { _, range in
      let start = range.lowerBound
      kernels.pointee.silu_mul(gate + start, up + start, gate + start, Int64(range.count))
    }
    multiply(gate, tokens: tokens, by: [layer.down], into: [projected])
    add(projected, to: x, count: tokens * hidden)
  }
}
