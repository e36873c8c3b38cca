// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Facts beside a developer's checkout that are too large or not licensed for the repository.
package enum SharedData {
  /// The folder `../shared/data` next to the package, when there is one.
  package static let folder: URL? = {
    let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    // A git work tree may lie one level deeper than the main checkout.
    for up in ["..", "../.."] {
      let folder = package.appendingPathComponent(up).appendingPathComponent("shared/data").standardizedFileURL
      if FileManager.default.fileExists(atPath: folder.path) { return folder }
    }
    return nil
  }()

  /// The path of a file there, or nil when the folder or the file is missing.
  package static func file(_ name: String) -> URL? {
    guard let url = folder?.appendingPathComponent(name), FileManager.default.fileExists(atPath: url.path) else {
      return nil
    }
    return url
  }
}

/// A small repeatable random source (SplitMix64), so that a failing case can be replayed from its seed.
package struct SeededRandom: RandomNumberGenerator {
  private var state: UInt64
  package init(seed: UInt64) { state = seed }
  package mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}
