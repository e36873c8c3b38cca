// SPDX-License-Identifier: Apache-2.0
package import Evidence
internal import JSONText

/// The published evidence on quality that comes with the program, and the user's own.
package enum QualityTable {
  /// - Throws: ``ProfileError`` naming the file and the row.
  package static func rows(_ library: ProfileLibrary) throws(ProfileError) -> [QualityEvidence] {
    var rows: [QualityEvidence] = []
    for path in library.files(of: "quality") {
      let bytes = try ProfileLibrary.read(path)
      rows += try Self.rows(inFile: path, bytes: bytes)
    }
    return rows
  }

  static func rows(inFile path: String, bytes: [UInt8]) throws(ProfileError) -> [QualityEvidence] {
    let root: JSON
    do { root = try JSON(parsing: bytes) } catch { throw .invalidJSON(path: path, error) }
    guard let list = root["rows"]?.arrayValue else {
      throw .invalidProfile(path: path, item: "rows", problem: "is missing or no list")
    }
    var rows: [QualityEvidence] = []
    rows.reserveCapacity(list.count)
    for (index, row) in list.enumerated() {
      guard let variant = row["variant"]?.stringValue, let loss = row["lossIncrease"]?.doubleValue else {
        throw .invalidProfile(path: path, item: "rows[\(index)]", problem: "lacks 'variant' or 'lossIncrease'")
      }
      rows.append(
        QualityEvidence(
          variant: variant, hasImportanceMatrix: row["importanceMatrix"]?.boolValue ?? false,
          model: row["model"]?.stringValue ?? "unknown", parameters: row["parameters"]?.intValue, lossIncrease: loss,
          metric: row["metric"]?.stringValue ?? "unknown", setup: row["setup"]?.stringValue ?? "",
          source: row["source"]?.stringValue ?? path))
    }
    return rows
  }
}
