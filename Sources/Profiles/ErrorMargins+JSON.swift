// SPDX-License-Identifier: Apache-2.0
package import CostModel
package import JSONText

extension ErrorMargins {
  /// The margins that come with the program; a later folder's file replaces those of an earlier one.
  ///
  /// - Throws: ``ProfileError`` naming the file and the key.
  package init(library: ProfileLibrary) throws(ProfileError) {
    self = .none
    for path in library.files(of: "intervals") {
      let bytes = try ProfileLibrary.read(path)
      let root: JSON
      do { root = try JSON(parsing: bytes) } catch { throw .invalidJSON(path: path, error) }
      for member in root["memory"]?.members ?? [] {
        memory[member.key] = try Self.factor(member.value, path, "memory.\(member.key)")
      }
      if let value = root["power"] { power = try Self.factor(value, path, "power") }
    }
  }

  private static func factor(_ json: JSON, _ path: String, _ item: String) throws(ProfileError) -> Double {
    guard let factor = json.doubleValue, factor >= 1, factor.isFinite else {
      throw .invalidProfile(path: path, item: item, problem: "is no factor of at least one")
    }
    return factor
  }

  /// The contents of `margins.json`.
  package var json: [JSON.Member] {
    let note =
      "Made by 'anprobe accuracy --margins' from the observations of memory and energy. Factors either way of the estimate "
      + "that hold nine in ten published figures, by component, and by engine and component where ten models tell."
    return [
      .init("note", .string(note)),
      .init(
        "memory", .object(memory.sorted { $0.key < $1.key }.map { JSON.Member($0.key, .number(fourDigits($0.value))) })),
      .init("power", power.map { .number(fourDigits($0)) } ?? .null),
    ]
  }
}
