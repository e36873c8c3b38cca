// SPDX-License-Identifier: Apache-2.0
internal import JSONText

/// Published figures that could not be used.
package struct LeftOut: Sendable, Equatable {
  package var reason: String
  package var count: Int

  package init(reason: String, count: Int) {
    self.reason = reason
    self.count = count
  }
}

/// A table whose rows are lists of numbers; names stand once in lists beside them, and a row holds their positions.
struct IndexedTable {
  private let path: String
  private let root: JSON
  private let list: [JSON]
  let leftOut: [LeftOut]

  /// - Throws: ``ProfileError`` for a file that is no such table.
  init(_ path: String, bytes: [UInt8]) throws(ProfileError) {
    self.path = path
    do { root = try JSON(parsing: bytes) } catch { throw .invalidJSON(path: path, error) }
    guard let list = root["rows"]?.arrayValue else {
      throw .invalidProfile(path: path, item: "rows", problem: "is missing or no list")
    }
    self.list = list
    leftOut = (root["leftOut"]?.arrayValue ?? []).compactMap { entry in
      guard let reason = entry["reason"]?.stringValue, let count = entry["count"]?.intValue else { return nil }
      return LeftOut(reason: reason, count: count)
    }
  }

  /// - Throws: ``ProfileError`` naming the first row that `make` cannot read.
  func rows<Value>(_ make: (Row) -> Value?) throws(ProfileError) -> [Value] {
    var names: [String: [String]] = [:]
    for member in root.members ?? [] where member.key != "rows" {
      names[member.key] = member.value.arrayValue?.compactMap { $0.stringValue }
    }
    var rows: [Value] = []
    rows.reserveCapacity(list.count)
    for (index, entry) in list.enumerated() {
      guard let values = entry.arrayValue, let row = make(Row(values: values, names: names)) else {
        throw .invalidProfile(path: path, item: "rows[\(index)]", problem: "is no row of the table")
      }
      rows.append(row)
    }
    return rows
  }

  struct Row {
    fileprivate let values: [JSON]
    fileprivate let names: [String: [String]]

    var count: Int { values.count }

    /// The name that the number at `position` stands for.
    func name(_ list: String, _ position: Int) -> String? {
      guard let names = names[list], let index = values[position].intValue, names.indices.contains(index) else {
        return nil
      }
      return names[index]
    }

    func whole(_ position: Int) -> Int? {
      values[position].intValue.flatMap { (0...1_000_000_000).contains($0) ? $0 : nil }
    }

    func number(_ position: Int) -> Double? { values[position].doubleValue.flatMap { $0.isFinite ? $0 : nil } }
  }
}
