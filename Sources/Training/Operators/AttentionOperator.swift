// SPDX-License-Identifier: Apache-2.0
internal import Inference

/// Causal attention of one window and its gradients; query heads share the keys and values of their group.
///
/// Probabilities are computed anew for the gradients: keeping them would take t² numbers per head and layer.
/// - Shapes: t tokens; queries and mixed (t, heads, width), keys and values (t, groups, width).
struct AttentionOperator<Number: TrainingNumber> {
  typealias Input = UnsafePointer<Number>
  typealias Output = UnsafeMutablePointer<Number>

  let heads: Int
  let groups: Int
  let width: Int
  let library: OpenBLAS
  let pool: ThreadPool
  /// Two squares of t² numbers for each thread.
  let scratch: NumberBuffer<Number>

  private var scale: Number { 1 / Number(width).squareRoot() }
  private var queryStride: Int { heads * width }
  private var keyStride: Int { groups * width }

  /// mixed = softmax(scale · q · kᵀ) · v
  func apply(queries: Input, keys: Input, values: Input, tokens t: Int, into mixed: Output) {
    forEachHead(tokens: t) { head, group, square, _ in
      probabilities(queries + head * width, keys + group * width, t, into: square)
      product(
        .init(rows: t, columns: width, inner: t), .init(square, stride: t),
        .init(values + group * width, stride: keyStride),
        into: mixed + head * width, stride: queryStride)
    }
  }

  /// The gradients of queries, keys and values; those of keys and values must be zero before.
  ///
  ///     dv += pᵀ · dm;   ds = p ⊙ (dm · vᵀ − Σ p ⊙ (dm · vᵀ));   dq = scale · ds · k;   dk += scale · dsᵀ · q
  func differentiate(
    _ dm: Input, queries: Input, keys: Input, values: Input, tokens t: Int, into gradients: Gradients
  ) {
    forEachHead(tokens: t) { head, group, p, ds in
      let (q, k, v) = (queries + head * width, keys + group * width, values + group * width)
      let own = dm + head * width
      probabilities(q, k, t, into: p)
      product(
        .init(rows: t, columns: width, inner: t), .init(p, stride: t, isTransposed: true),
        .init(own, stride: queryStride), beta: 1, into: gradients.values + group * width, stride: keyStride)
      product(
        .init(rows: t, columns: t, inner: width), .init(own, stride: queryStride),
        .init(v, stride: keyStride, isTransposed: true), into: ds, stride: t)
      scoreGradients(p, t, into: ds)
      product(
        .init(rows: t, columns: width, inner: t), .init(ds, stride: t), .init(k, stride: keyStride), alpha: scale,
        into: gradients.queries + head * width, stride: queryStride)
      product(
        .init(rows: t, columns: width, inner: t), .init(ds, stride: t, isTransposed: true),
        .init(q, stride: queryStride), alpha: scale, beta: 1, into: gradients.keys + group * width, stride: keyStride)
    }
  }

  struct Gradients {
    let queries: Output
    let keys: Output
    let values: Output
  }

  // p (t, t), zero behind the diagonal.
  private func probabilities(_ q: Input, _ k: Input, _ t: Int, into p: Output) {
    product(
      .init(rows: t, columns: t, inner: width), .init(q, stride: queryStride),
      .init(k, stride: keyStride, isTransposed: true), alpha: scale, into: p, stride: t)
    for row in 0..<t {
      let p = p + row * t
      var largest = p[0]
      for i in 1..<max(1, row + 1) where p[i] > largest { largest = p[i] }
      var sum: Number = 0
      for i in 0...row {
        p[i] = Number.exponential(p[i] - largest)
        sum += p[i]
      }
      for i in 0...row { p[i] /= sum }
      for i in row + 1..<max(row + 1, t) { p[i] = 0 }
    }
  }

  private func scoreGradients(_ p: Input, _ t: Int, into ds: Output) {
    for row in 0..<t {
      let (p, ds) = (p + row * t, ds + row * t)
      var sum: Number = 0
      for i in 0...row { sum += p[i] * ds[i] }
      for i in 0..<t { ds[i] = p[i] * (ds[i] - sum) }
    }
  }

  /// A group's heads run one after another, since they add to the same keys and values.
  private func forEachHead(
    tokens t: Int, _ body: (_ head: Int, _ group: Int, _ first: Output, _ second: Output) -> Void
  ) {
    let perGroup = heads / groups
    pool.forEachChunk(of: groups, grain: 1) { thread, range in
      let first = scratch.address + thread * 2 * t * t
      for group in range {
        for head in group * perGroup..<(group + 1) * perGroup { body(head, group, first, first + t * t) }
      }
    }
  }

  private func product(
    _ sizes: ProductSizes, _ a: ProductInput<Number>, _ b: ProductInput<Number>, alpha: Number = 1, beta: Number = 0,
    into c: Output, stride: Int
  ) {
    Number.multiply(library, sizes, a, b, alpha: alpha, beta: beta, into: c, stride: stride)
  }
}
