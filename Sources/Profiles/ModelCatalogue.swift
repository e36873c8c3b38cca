// SPDX-License-Identifier: Apache-2.0
package import JSONText
package import LanguageModel

/// The known models: their shapes as published, with licence and source.
package struct ModelCatalogue: Sendable {
  package let entries: [Entry]

  package struct Entry: Sendable {
    /// The repository on the hub: `meta-llama/Llama-3.1-8B`.
    package var identifier: String
    package var name: String
    package var family: String
    /// Other repositories with the same shapes.
    package var aliases: [String]
    /// Year and month of the first public release.
    package var release: String
    package var licence: String
    /// `dense`, `moe`, `mla` or `hybrid`.
    package var kind: String
    package var counts: PublishedCounts
    package var configurationSource: String
    package var note: String?
    /// The model's config.json, reduced to what sizing and running need.
    package var configuration: JSON
    /// The file that the entry was read from.
    package var path: String
  }

  /// Parameter counts as published and as checked; the description computes its own.
  package struct PublishedCounts: Sendable, Equatable {
    /// The language part alone.
    package var total: Int?
    package var active: Int?
    package var vision: Int?
    package var audio: Int?
    /// What the publisher says, with whatever it includes.
    package var published: Int?
    package var source: String?
  }

  package init(entries: [Entry]) { self.entries = entries }

  /// The catalogue that comes with the program, extended by the files in `models` of the given folders.
  ///
  /// An entry of a later folder replaces an earlier one of the same identifier.
  /// - Throws: ``ProfileError`` naming the file.
  package static func builtIn(extraDirectories: [String] = []) throws(ProfileError) -> ModelCatalogue {
    try ModelCatalogue(library: .standard(extraFolders: extraDirectories))
  }

  package init(library: ProfileLibrary) throws(ProfileError) {
    var entries: [Entry] = []
    var positions: [String: Int] = [:]
    for path in library.files(of: "models") {
      for entry in try Self.entries(inFile: path, bytes: try ProfileLibrary.read(path)) {
        if let position = positions[entry.identifier] {
          entries[position] = entry
        } else {
          positions[entry.identifier] = entries.count
          entries.append(entry)
        }
      }
    }
    self.init(entries: entries)
  }

  /// The shapes and tensors of an entry.
  package func describe(_ entry: Entry) throws(ConfigurationError) -> LanguageModelDescription {
    try entry.description()
  }
}

extension ModelCatalogue.Entry {
  /// The shapes and tensors of the model.
  package func description() throws(ConfigurationError) -> LanguageModelDescription {
    var description = try LanguageModelDescription(
      configuration: configuration, name: name,
      provenance: .catalogue(identifier: identifier, licence: licence, source: configurationSource),
      file: "\(path): \(identifier)")
    if counts.vision != nil { description.notes.append(.towerLeftOut("vision")) }
    if counts.audio != nil { description.notes.append(.towerLeftOut("audio")) }
    return description
  }
}
