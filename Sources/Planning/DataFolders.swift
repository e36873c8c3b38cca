// SPDX-License-Identifier: Apache-2.0
internal import Foundation

/// Where the program keeps its data: `$XDG_DATA_HOME/anprobe`, by default `~/.local/share/anprobe`.
package struct DataFolders: Sendable {
  package let root: String

  package init(root: String) { self.root = root }

  package init(environment: [String: String] = ProcessInfo.processInfo.environment) {
    // The specification asks to ignore a relative path.
    if let data = environment["XDG_DATA_HOME"], data.hasPrefix("/") {
      root = data + "/anprobe"
    } else {
      root = (environment["HOME"] ?? "/tmp") + "/.local/share/anprobe"
    }
  }

  /// Profiles that the user added.
  package var profiles: String { root + "/profiles" }
  package var archive: String { root + "/anprobe.sqlite" }
}
