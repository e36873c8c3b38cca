// SPDX-License-Identifier: Apache-2.0

/// Finds things by loosely spelt names.
struct NameMatcher {
  /// What a name given by a person may mean, as indices.
  enum Match: Equatable {
    case found(Int)
    /// Several fit equally well, best first.
    case ambiguous([Int])
    /// Nothing fits; these have a similar spelling.
    case none(suggestions: [Int])
  }

  /// Per thing its spellings, by level from the most binding to the least.
  private let things: [[[SpellingKey]]]

  init(_ spellings: [[[String]]]) { things = spellings.map { $0.map { $0.map(SpellingKey.init) } } }

  /// In this order: the same letters and digits, level by level; every word in a spelling, with the fewest words left
  /// over; a similar spelling, which only makes a suggestion.
  func find(_ name: String) -> Match {
    let wanted = SpellingKey(name)
    guard !wanted.letters.isEmpty else { return .none(suggestions: []) }
    for level in 0..<(things.map(\.count).max() ?? 0) {
      let exact = things.indices.filter { index in
        level < things[index].count && things[index][level].contains { $0.letters == wanted.letters }
      }
      if exact.count == 1 { return .found(exact[0]) }
      if exact.count > 1 { return .ambiguous(exact) }
    }
    let scored = things.indices.compactMap { index in
      things[index].joined().compactMap { $0.wordsLeftOver(by: wanted) }.min().map { (index: index, left: $0) }
    }
    guard let best = scored.map(\.left).min() else { return .none(suggestions: similar(to: wanted)) }
    let hits = scored.filter { $0.left == best }.map(\.index)
    return hits.count == 1 ? .found(hits[0]) : .ambiguous(hits)
  }

  private func similar(to wanted: SpellingKey) -> [Int] {
    let limit = max(1, wanted.letters.count / 4)
    let near = things.indices.compactMap { index in
      things[index].joined().compactMap { $0.distance(to: wanted, limit: limit) }.min { $0 < $1 }.map {
        (index: index, distance: $0)
      }
    }
    let sorted = near.sorted {
      ($0.distance.changes, $0.distance.leftOver, $0.index) < ($1.distance.changes, $1.distance.leftOver, $1.index)
    }
    return sorted.prefix(5).map(\.index)
  }
}
