// SPDX-License-Identifier: Apache-2.0

/// Joins neighbouring symbols, the best pair first, until none is left that may be joined.
///
/// Both tokenizers are this: SentencePiece takes the pair with the highest score, byte-pair encoding the one with the
/// lowest rank; of equals the leftmost. With a heap and a linked list it takes n log n steps for n symbols.
struct PairMerger<Symbol> {
  /// A pair that may be joined: smaller priorities first.
  struct Join {
    var priority: Double
    var result: Symbol
  }

  private struct Node {
    var symbol: Symbol
    var previous: Int
    var next: Int
    /// Raised whenever the symbol changes, so that joins found before are known to be stale.
    var version = 0
    var isAlive = true
  }

  private struct Candidate: Comparable {
    var priority: Double
    var left: Int
    var right: Int
    var leftVersion: Int
    var rightVersion: Int

    static func < (one: Candidate, other: Candidate) -> Bool {
      (one.priority, one.left) < (other.priority, other.left)
    }
    static func == (one: Candidate, other: Candidate) -> Bool {
      (one.priority, one.left) == (other.priority, other.left)
    }
  }

  private var nodes: [Node]
  private var heap: [Candidate] = []
  private let join: (Symbol, Symbol) -> Join?

  init(_ symbols: [Symbol], join: @escaping (Symbol, Symbol) -> Join?) {
    nodes = symbols.enumerated().map { Node(symbol: $1, previous: $0 - 1, next: $0 + 1) }
    self.join = join
  }

  /// The symbols that remain, in order.
  mutating func merged() -> [Symbol] {
    for left in nodes.indices.dropLast() { consider(left, left + 1) }
    while let best = pop() {
      let isStale =
        !nodes[best.left].isAlive || !nodes[best.right].isAlive || nodes[best.left].version != best.leftVersion
        || nodes[best.right].version != best.rightVersion
      guard !isStale, let result = join(nodes[best.left].symbol, nodes[best.right].symbol)?.result else { continue }
      unite(best.left, best.right, result)
    }
    return nodes.filter(\.isAlive).map(\.symbol)
  }

  private mutating func unite(_ left: Int, _ right: Int, _ result: Symbol) {
    nodes[left].symbol = result
    nodes[left].version += 1
    nodes[right].isAlive = false
    let next = nodes[right].next
    nodes[left].next = next
    if next < nodes.count { nodes[next].previous = left }
    if nodes[left].previous >= 0 { consider(nodes[left].previous, left) }
    if next < nodes.count { consider(left, next) }
  }

  private mutating func consider(_ left: Int, _ right: Int) {
    guard let found = join(nodes[left].symbol, nodes[right].symbol) else { return }
    push(
      Candidate(
        priority: found.priority, left: left, right: right, leftVersion: nodes[left].version,
        rightVersion: nodes[right].version))
  }

  private mutating func push(_ candidate: Candidate) {
    heap.append(candidate)
    var child = heap.count - 1
    while child > 0, heap[child] < heap[(child - 1) / 2] {
      heap.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  private mutating func pop() -> Candidate? {
    guard let first = heap.first else { return nil }
    let last = heap.removeLast()
    guard !heap.isEmpty else { return first }
    heap[0] = last
    var parent = 0
    while true {
      var least = parent
      for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && heap[child] < heap[least] {
        least = child
      }
      guard least != parent else { return first }
      heap.swapAt(parent, least)
      parent = least
    }
  }
}
