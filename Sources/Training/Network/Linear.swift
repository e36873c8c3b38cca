// SPDX-License-Identifier: Apache-2.0
internal import Inference

/// A learnt tensor: among the numbers that change, or frozen.
enum Weight<Number: TrainingNumber>: Sendable {
  case trained(ParameterStore<Number>.Slot)
  case frozen(StoredMatrix)

  var slot: ParameterStore<Number>.Slot? { if case .trained(let slot) = self { slot } else { nil } }
}

/// A matrix, and the factors of its adapter where it has one: y = W · x + scale · B · (A · x).
struct Linear<Number: TrainingNumber>: Sendable {
  struct Adapter: Sendable {
    /// A (rank, columns) and B (rows, rank).
    let inner: ParameterStore<Number>.Slot
    let outer: ParameterStore<Number>.Slot
    let scale: Number

    var rank: Int { inner.rows }
  }

  let weight: Weight<Number>
  let rows: Int
  let columns: Int
  var adapter: Adapter?
}

/// Applies linear maps and their gradients with the numbers of one store.
struct LinearOperator<Number: TrainingNumber> {
  typealias Input = UnsafePointer<Number>
  typealias Output = UnsafeMutablePointer<Number>

  let products: MatrixProducts<Number>
  let store: ParameterStore<Number>
  /// Room for the largest frozen matrix, decoded.
  let decoded: NumberBuffer<Number>
  /// Room for the inner values of an adapter and their gradients: twice tokens × rank.
  let inner: NumberBuffer<Number>

  /// y (t, rows) = x (t, columns) · Wᵀ, and the adapter's part.
  func apply(_ linear: Linear<Number>, to x: Input, tokens t: Int, into y: Output) {
    products.apply(numbers(linear), rows: linear.rows, columns: linear.columns, to: x, tokens: t, into: y)
    guard let adapter = linear.adapter else { return }
    let u = inner.address  // (t, rank)
    products.apply(values(adapter.inner), rows: adapter.rank, columns: linear.columns, to: x, tokens: t, into: u)
    products.apply(
      values(adapter.outer), rows: linear.rows, columns: adapter.rank, to: u, tokens: t, alpha: adapter.scale, beta: 1,
      into: y)
  }

  /// dx = dy · W (or added to dx), and the gradients of what is trained.
  func differentiate(
    _ linear: Linear<Number>, _ dy: Input, x: Input, tokens t: Int, adds: Bool, into dx: Output
  ) {
    let (rows, columns) = (linear.rows, linear.columns)
    products.applyTransposed(
      numbers(linear), rows: rows, columns: columns, to: dy, tokens: t, beta: adds ? 1 : 0, into: dx)
    if let slot = linear.weight.slot {
      products.accumulate(dy, rows: rows, x, columns: columns, tokens: t, into: gradient(slot))
    }
    guard let adapter = linear.adapter else { return }
    let (u, du) = (inner.address, inner.address + t * adapter.rank)
    products.apply(values(adapter.inner), rows: adapter.rank, columns: columns, to: x, tokens: t, into: u)
    products.accumulate(
      dy, rows: rows, u, columns: adapter.rank, tokens: t, alpha: adapter.scale, into: gradient(adapter.outer))
    products.applyTransposed(
      values(adapter.outer), rows: rows, columns: adapter.rank, to: dy, tokens: t, alpha: adapter.scale, beta: 0,
      into: du)
    products.accumulate(du, rows: adapter.rank, x, columns: columns, tokens: t, into: gradient(adapter.inner))
    products.applyTransposed(
      values(adapter.inner), rows: adapter.rank, columns: columns, to: du, tokens: t, beta: 1, into: dx)
  }

  func values(_ slot: ParameterStore<Number>.Slot) -> Input { Input(store.values.address + slot.offset) }
  func gradient(_ slot: ParameterStore<Number>.Slot) -> Output { store.gradients.address + slot.offset }

  /// The matrix as numbers; a decoded one holds until the next call.
  private func numbers(_ linear: Linear<Number>) -> Input {
    switch linear.weight {
    case .trained(let slot): return values(slot)
    case .frozen(let matrix):
      if let numbers = matrix.inPlace(as: Number.self) { return numbers }
      products.pool.forEachChunk(of: matrix.rows, grain: 64) { _, range in
        matrix.decode(rows: range, into: decoded.address + range.lowerBound * matrix.columns)
      }
      return Input(decoded.address)
    }
  }
}
