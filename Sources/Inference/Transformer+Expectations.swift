// SPDX-License-Identifier: Apache-2.0

/// What threads that wait for one another may ask for (docs/decisions/0051-what-comes-next.md).
extension Transformer {
  /// Tells threads what is read behind the product that follows, of one token.
  func expect(_ matrix: PreparedMatrix?, besides: [PreparedMatrix] = [], tokens: Int) {
    guard tokens == 1, !products.isIdle else { return }
    let pool = products.pool
    // On several nodes each matrix is cut by itself.
    let rows = pool.hasNodes ? 0 : besides.reduce(0) { $0 + $1.rows }
    pool.expected = matrix.map { ExpectedReads($0, besides: rows) } ?? .nothing
  }

  func expectFeedForward(ofLayer index: Int, tokens: Int) {
    switch model.layers[index].feedForward {
    case .dense(let next): expect(next.gate?.matrix ?? next.up.matrix, tokens: tokens)
    case .experts(let next): expect(next.router.matrix, tokens: tokens)
    }
  }

  /// What begins a layer, or the head behind the last one.
  func expectStart(ofLayer index: Int, tokens: Int) {
    guard index < model.layers.count else { return expect(model.head.matrix, tokens: tokens) }
    switch model.layers[index].mixer {
    case .attention(let next):
      expect(next.query.matrix, besides: [next.key.matrix, next.value.matrix], tokens: tokens)
    case .latent: expect(nil, tokens: tokens)
    }
  }
}
