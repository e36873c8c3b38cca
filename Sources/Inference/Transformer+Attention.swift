// SPDX-License-Identifier: Apache-2.0
import CKernels
import Glibc
internal import CostModel
internal import LanguageModel

extension Transformer {
  // y = O · attention(rope(norm(Q · x)), rope(norm(K · x)), V · x)
  /// - Parameter stream: where the outputs may be added in place of `y`, if the last product can.
  /// - Returns: whether it did.
  func attend(
    _ attention: PreparedAttention, to x: UnsafePointer<Float>, _ batch: Batch, layer: Int,
    into y: UnsafeMutablePointer<Float>, orAddingTo stream: UnsafeMutablePointer<Float>?
  ) -> Bool {
    let queries = buffers.floats(.queries)  // (t, h, w)
    let keys = buffers.floats(.newKeys)  // (t, g, w)
    let values = buffers.floats(.newValues)  // (t, g, w)
    let mixed = buffers.floats(.mixed)  // (t, h, w)
    expect(attention.output.matrix, tokens: batch.rows)
    multiply(
      x, tokens: batch.rows, by: [attention.query, attention.key, attention.value], into: [queries, keys, values])
    clock?.lap(.queryKeyValue)
    products.pool.forEachChunk(of: batch.rows, grain: 8) { _, rows in
      batch.forEach(of: rows) { row, sequence, position in
        self.position(row, position, attention, cache.layer(layer, sequence: sequence))
      }
    }
    clock?.lap(.rotation)
    let scale = rules.attentionScale ?? 1 / Double(attention.shape.keyWidth).squareRoot()
    let slopes = rules.distanceBias.map { bias in
      bias.slopeExponents(heads: attention.shape.heads).map { Float(exp2($0) * (bias.isScaled ? scale : 1)) }
    }
    let pass = AttentionPass(
      attention: attention.shape, cache: cache, layer: layer, queries: queries, mixed: mixed,
      scratch: buffers.floats(.attentionScratch), kernels: kernels,
      scale: Float(scale), cap: Float(rules.attentionCap ?? 0), sinks: attention.sinks, slopes: slopes
    )
    if !products.isIdle { pass.run(batch, on: products.pool) }
    clock?.lap(.attention)
    defer { clock?.lap(.attentionOutput) }
    expectFeedForward(ofLayer: layer, tokens: batch.rows)
    return apply(attention.output, to: mixed, tokens: batch.rows, into: y, orAddingTo: stream)
  }

  /// Adds biases, normalises and rotates queries and keys, and stores the new key and value of one token.
  private func position(_ row: Int, _ position: Int, _ attention: PreparedAttention, _ place: KVCache.Layer) {
    let shape = attention.shape
    let queries = prepared(.queries, row, attention.query, attention.queryNorm, heads: shape.heads)
    let keys = prepared(.newKeys, row, attention.key, attention.keyNorm, heads: shape.keyValueHeads)
    let values = prepared(.newValues, row, attention.value, nil, heads: shape.keyValueHeads)
    if let growth = rules.queryGrowth {
      let factor = 1 + growth.scale * log(1 + (Double(position) / growth.length).rounded(.down))
      ck_scale(queries, Float(factor), Int64(attention.query.matrix.rows))
    }
    if let table = rotation(of: shape) {
      for head in 0..<shape.heads { rotate(queries + head * shape.keyWidth, row, table) }
      for head in 0..<shape.keyValueHeads { rotate(keys + head * shape.keyWidth, row, table) }
    }
    cache.store(
      keys: keys, values: values, width: shape.keyWidth, at: position, of: place, kernels: kernels)
  }

  /// One token's row of a buffer, with its bias, within its limit, with its norm.
  private func prepared(
    _ buffer: RuntimeMemoryPlan.BufferName, _ row: Int, _ linear: PreparedLinear, _ norm: PreparedHeadNorm?, heads: Int
  ) -> UnsafeMutablePointer<Float> {
    let count = linear.matrix.rows
    let x = buffers.floats(buffer) + row * count
    if let bias = linear.bias { kernels.pointee.add(bias, x, Int64(count)) }
    if let limit = rules.projectionLimit.map({ Float($0) }) {
      for k in 0..<count { x[k] = min(max(x[k], -limit), limit) }
    }
    guard let norm else { return x }
    for (index, start) in stride(from: 0, to: count, by: norm.width).enumerated() {
      let own = PreparedNorm(weight: norm.weight + index * norm.stride, bias: nil)
      normalise(x + start, own, width: norm.width, into: x + start)
    }
    return x
  }

  /// The table that turns a layer's queries and keys; nil where nothing turns them.
  func rotation(of shape: Attention) -> RopeTable? {
    guard shape.isRotated, rules.distanceBias == nil else { return nil }
    return shape.window == nil ? rope : windowRope ?? rope
  }

  func rotate(_ head: UnsafeMutablePointer<Float>, _ row: Int, _ table: RopeTable) {
    switch table.pairing {
    case .neighbours: ck_rope_neighbours(head, Int64(table.width), table.cosines(row: row), table.sines(row: row))
    case .halves: ck_rope_halves(head, Int64(table.width), table.cosines(row: row), table.sines(row: row))
    }
  }
}
