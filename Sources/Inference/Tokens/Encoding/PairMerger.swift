// SPDX-License-Identifier: Apache-2.0

/// Which neighbours may be joined, and how urgently.
protocol JoinRule {
  /// - Parameters: tokens (-1 for none) and the range of units that both cover together.
  /// - Returns: nil when they may not be joined; smaller priorities are joined first.
  func join(_ left: Int32, _ right: Int32, _ range: Range<Int>) -> (priority: Double, result: Int32)?
}

/// Joins neighbouring tokens, the best pair first, until none is left that may be joined.
///
/// Both byte-pair tokenizers are this: SentencePiece takes the pair with the highest score, GPT-2's the one with the
/// lowest rank; of equals the leftmost. With a heap and a linked list it takes n log n steps for n symbols; one value
/// serves many words, so that its storage is allocated once.
struct PairMerger {
  private struct Node {
    var token: Int32
    var start: Int
    /// Where it ends; its own start once it was joined to the one before.
    var end: Int
    var previous: Int
    var next: Int
  }

  private struct Candidate {
    var priority: Double
    var left: Int
    /// What the pair covered when it was found: another extent means that it is stale.
    var range: Range<Int>
    var result: Int32

    func precedes(_ other: Candidate) -> Bool {
      priority < other.priority || priority == other.priority && left < other.left
    }
  }

  private var nodes: [Node] = []
  private var heap: [Candidate] = []

  /// Forgets the word before.
  mutating func reset() {
    nodes.removeAll(keepingCapacity: true)
    heap.removeAll(keepingCapacity: true)
  }

  /// Adds a symbol at the end.
  ///
  /// - Parameter token: -1 for one that is in no vocabulary.
  mutating func append(_ token: Int32, _ range: Range<Int>) {
    nodes.append(
      Node(
        token: token, start: range.lowerBound, end: range.upperBound, previous: nodes.count - 1, next: nodes.count + 1))
  }

  /// Joins what may be joined and hands over what remains, in order.
  mutating func merge(by rule: some JoinRule, _ each: (Int32, Range<Int>) -> Void) {
    for left in nodes.indices.dropLast() { consider(left, left + 1, rule) }
    while let best = pop() {
      let left = nodes[best.left]
      guard left.start < left.end, left.next < nodes.count, left.start == best.range.lowerBound,
        nodes[left.next].end == best.range.upperBound
      else { continue }
      unite(best.left, left.next, best.result, rule)
    }
    var index = 0
    while index < nodes.count {
      each(nodes[index].token, nodes[index].start..<nodes[index].end)
      index = nodes[index].next
    }
  }

  private mutating func unite(_ left: Int, _ right: Int, _ result: Int32, _ rule: some JoinRule) {
    let next = nodes[right].next
    nodes[left].token = result
    nodes[left].end = nodes[right].end
    nodes[left].next = next
    nodes[right].end = nodes[right].start
    if next < nodes.count { nodes[next].previous = left }
    if nodes[left].previous >= 0 { consider(nodes[left].previous, left, rule) }
    if next < nodes.count { consider(left, next, rule) }
  }

  @inline(__always)
  private mutating func consider(_ left: Int, _ right: Int, _ rule: some JoinRule) {
    let range = nodes[left].start..<nodes[right].end
    guard let found = rule.join(nodes[left].token, nodes[right].token, range) else { return }
    push(Candidate(priority: found.priority, left: left, range: range, result: found.result))
  }

  private mutating func push(_ candidate: Candidate) {
    heap.append(candidate)
    var child = heap.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      guard heap[child].precedes(heap[parent]) else { return }
      heap.swapAt(child, parent)
      child = parent
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
      for child in (2 * parent + 1)...(2 * parent + 2) where child < heap.count && heap[child].precedes(heap[least]) {
        least = child
      }
      guard least != parent else { return first }
      heap.swapAt(parent, least)
      parent = least
    }
  }
}
