// SPDX-License-Identifier: Apache-2.0
internal import JSONText

extension ModelCatalogue {
  /// The entries of one catalogue file: `{"family": ..., "models": [...]}`.
  ///
  /// - Throws: ``ProfileError`` naming the file and the entry.
  package static func entries(inFile path: String, bytes: [UInt8]) throws(ProfileError) -> [Entry] {
    let root: JSON
    do { root = try JSON(parsing: bytes) } catch { throw .invalidJSON(path: path, error) }
    guard let models = root["models"]?.arrayValue else {
      throw .invalidProfile(path: path, item: "models", problem: "is missing or no list")
    }
    let family = root["family"]?.stringValue ?? ""
    var entries: [Entry] = []
    entries.reserveCapacity(models.count)
    for model in models { entries.append(try entry(model, family: family, path: path)) }
    return entries
  }

  private static func entry(_ model: JSON, family: String, path: String) throws(ProfileError) -> Entry {
    guard let identifier = model["id"]?.stringValue, !identifier.isEmpty else {
      throw .invalidProfile(path: path, item: "id", problem: "is missing in an entry of 'models'")
    }
    guard let configuration = model["config"], configuration.members != nil else {
      throw .invalidProfile(path: path, item: identifier, problem: "has no object 'config'")
    }
    return Entry(
      identifier: identifier, name: model["name"]?.stringValue ?? identifier, family: family,
      aliases: model["aliases"]?.arrayValue?.compactMap(\.stringValue) ?? [],
      release: model["release"]?.stringValue ?? "unknown", licence: model["licence"]?.stringValue ?? "unknown",
      kind: model["kind"]?.stringValue ?? "unknown", counts: counts(model["parameters"] ?? .null),
      configurationSource: model["configSource"]?.stringValue ?? path, note: model["note"]?.stringValue,
      configuration: configuration, path: path)
  }

  private static func counts(_ value: JSON) -> PublishedCounts {
    PublishedCounts(
      total: value["total"]?.intValue, active: value["active"]?.intValue, vision: value["vision"]?.intValue,
      audio: value["audio"]?.intValue, published: value["published"]?.intValue,
      source: value["publishedSource"]?.stringValue)
  }
}
