// SPDX-License-Identifier: Apache-2.0
import CKernels
internal import CostModel
internal import LanguageModel

/// Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434), with the up-projections absorbed: the heads' queries are
/// carried into the space of the cached vectors, where all heads share one key that is also the value.
///
/// - Shapes: h heads; a query has p plain and w rotated elements; a cached vector c = r + w; a value v.
extension Transformer {
  func attend(
    _ latent: PreparedLatentAttention, to x: UnsafePointer<Float>, _ batch: Batch, layer: Int,
    into y: UnsafeMutablePointer<Float>, orAddingTo stream: UnsafeMutablePointer<Float>?
  ) -> Bool {
    let shape = latent.shape
    let cached = shape.keyValueRank + shape.ropeWidth
    project(latent, x, tokens: batch.rows)
    clock?.lap(.queryKeyValue)
    products.pool.forEachChunk(of: batch.rows, grain: 8) { _, rows in
      batch.forEach(of: rows) { row, sequence, position in
        self.position(row, position, latent, cache.layer(layer, sequence: sequence))
      }
    }
    clock?.lap(.rotation)
    absorbQueries(latent, tokens: batch.rows)
    clock?.lap(.latent)
    let width = Double(shape.plainWidth + shape.ropeWidth)
    let pass = AttentionPass(
      attention: Attention(heads: shape.heads, keyValueHeads: 1, keyWidth: cached, valueWidth: cached), cache: cache,
      layer: layer, queries: buffers.floats(.absorbedQuery), mixed: buffers.floats(.latentMixed),
      scratch: buffers.floats(.attentionScratch), kernels: kernels,
      scale: Float(rules.attentionScale ?? 1 / width.squareRoot())
    )
    if !products.isIdle { pass.run(batch, on: products.pool) }
    clock?.lap(.attention)
    expandValues(latent, tokens: batch.rows)
    clock?.lap(.latent)
    defer { clock?.lap(.attentionOutput) }
    return apply(latent.output, to: buffers.floats(.mixed), tokens: batch.rows, into: y, orAddingTo: stream)
  }

  // queries (t, h, p + w) = Q · x, or Q · norm(Q' · x);  keys (t, c) = K · x
  private func project(_ latent: PreparedLatentAttention, _ x: UnsafePointer<Float>, tokens: Int) {
    let queries = buffers.floats(.queries)  // (t, h, p + w)
    let keys = buffers.floats(.newKeys)  // (t, c)
    guard let down = latent.queryDown else {
      multiply(x, tokens: tokens, by: [latent.query, latent.keyValueDown], into: [queries, keys])
      return
    }
    let compressed = buffers.floats(.compressedQuery)  // (t, q)
    multiply(x, tokens: tokens, by: [down, latent.keyValueDown], into: [compressed, keys])
    if let norm = latent.queryNorm {
      for row in 0..<tokens {
        normalise(compressed + row * down.rows, norm, width: down.rows, into: compressed + row * down.rows)
      }
    }
    multiply(compressed, tokens: tokens, by: [latent.query], into: [queries])
  }

  /// Normalises the compressed part, rotates the rest of the key and of each query, and stores the vector of one token.
  private func position(_ row: Int, _ position: Int, _ latent: PreparedLatentAttention, _ place: KVCache.Layer) {
    let shape = latent.shape
    let vector = buffers.floats(.newKeys) + row * latent.keyValueDown.rows  // (r + w)
    normalise(vector, latent.keyValueNorm, width: shape.keyValueRank, into: vector)
    rotate(vector + shape.keyValueRank, row, rope)
    let queries = buffers.floats(.queries) + row * latent.query.rows  // (h, p + w)
    let width = shape.plainWidth + shape.ropeWidth
    for head in 0..<shape.heads { rotate(queries + head * width + shape.plainWidth, row, rope) }
    cache.store(
      keys: vector, values: nil, width: latent.keyValueDown.rows, at: position, of: place, kernels: kernels)
  }

  // absorbed (t, h, r + w) = keyUp · plain part of the query, then the rotated part as it is
  private func absorbQueries(_ latent: PreparedLatentAttention, tokens: Int) {
    let shape = latent.shape
    let queries = HeadRows(
      base: buffers.floats(.queries), heads: shape.heads, width: shape.plainWidth + shape.ropeWidth)
    let absorbed = HeadRows(
      base: buffers.floats(.absorbedQuery), heads: shape.heads, width: shape.keyValueRank + shape.ropeWidth)
    for head in 0..<shape.heads {
      carry(head, of: queries, by: latent.keyUp[head], to: absorbed, tokens: tokens)
      for row in 0..<tokens {
        (absorbed.row(row, head) + shape.keyValueRank).update(
          from: queries.row(row, head) + shape.plainWidth, count: shape.ropeWidth)
      }
    }
  }

  // mixed (t, h, v) = valueUp · compressed part of each head's mixture
  private func expandValues(_ latent: PreparedLatentAttention, tokens: Int) {
    let shape = latent.shape
    let from = HeadRows(
      base: buffers.floats(.latentMixed), heads: shape.heads, width: shape.keyValueRank + shape.ropeWidth)
    let to = HeadRows(base: buffers.floats(.mixed), heads: shape.heads, width: shape.valueWidth)
    for head in 0..<shape.heads { carry(head, of: from, by: latent.valueUp[head], to: to, tokens: tokens) }
  }

  /// Rows of (tokens, heads, width).
  private struct HeadRows {
    let base: UnsafeMutablePointer<Float>
    let heads: Int
    let width: Int

    func row(_ token: Int, _ head: Int) -> UnsafeMutablePointer<Float> { base + (token * heads + head) * width }
  }

  /// One head of all tokens times its matrix: products read whole rows, so the head is gathered and scattered.
  private func carry(
    _ head: Int, of from: HeadRows, by matrix: PreparedMatrix, to: HeadRows, tokens: Int
  ) {
    guard tokens > 1 else {
      products.multiply(from.row(0, head), tokens: 1, by: [matrix], into: [to.row(0, head)])
      return
    }
    let input = buffers.floats(.headInput)  // (t, columns)
    let output = buffers.floats(.headOutput)  // (t, rows)
    for row in 0..<tokens { (input + row * matrix.columns).update(from: from.row(row, head), count: matrix.columns) }
    multiply(input, tokens: tokens, by: [matrix], into: [output])
    for row in 0..<tokens { to.row(row, head).update(from: output + row * matrix.rows, count: matrix.rows) }
  }
}
