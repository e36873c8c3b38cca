// SPDX-License-Identifier: Apache-2.0

extension ModelCatalogue {
  /// What a name given by a person may mean.
  package enum Match: Sendable {
    case found(Entry)
    /// Several entries fit equally well, best first.
    case ambiguous([Entry])
    /// Nothing fits; these have a similar spelling.
    case none(suggestions: [Entry])
  }

  /// The entry that a name means, or a typed error with the candidates.
  package func entry(named name: String) throws(ProfileError) -> Entry {
    switch find(name) {
    case .found(let entry): return entry
    case .ambiguous(let entries): throw .ambiguousModel(name: name, candidates: entries.map(\.identifier))
    case .none(let suggestions): throw .unknownModel(name: name, suggestions: suggestions.map(\.identifier))
    }
  }

  /// Finds an entry by a loosely spelt name: case and punctuation do not count, the owner may be left out, and so
  /// may words that are in the entry's name.
  ///
  /// In this order: the same letters and digits as the identifier, the name or an alias; every word of `name` in an
  /// entry's name, with the fewest words left over; a similar spelling, which only makes a suggestion.
  package func find(_ name: String) -> Match {
    switch NameMatcher(entries.map(\.spellings)).find(name) {
    case .found(let index): .found(entries[index])
    case .ambiguous(let indices): .ambiguous(indices.map { entries[$0] })
    case .none(let suggestions): .none(suggestions: suggestions.map { entries[$0] })
    }
  }

  /// The entries that have every word of `name`, in the catalogue's order; all of them for an empty name.
  package func entries(containing name: String) -> [Entry] {
    let wanted = SpellingKey(name)
    guard !wanted.letters.isEmpty else { return entries }
    let byWord = entries.filter { entry in
      entry.spellings.contains { $0.contains { SpellingKey($0).wordsLeftOver(by: wanted) != nil } }
    }
    guard byWord.isEmpty else { return byWord }
    return entries.filter { entry in
      entry.spellings.contains { $0.contains { SpellingKey($0).contains(wanted) } }
    }
  }
}

extension ModelCatalogue.Entry {
  /// The names under which it is known, from the most binding to the least: the full identifier; the repository
  /// without owner, and the name; aliases with and without owner.
  fileprivate var spellings: [[String]] {
    [
      [identifier], [Self.withoutOwner(identifier), name],
      aliases.flatMap { [$0, Self.withoutOwner($0)] },
    ]
  }

  private static func withoutOwner(_ identifier: String) -> String {
    identifier.split(separator: "/").last.map(String.init) ?? identifier
  }
}
