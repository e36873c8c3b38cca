// SPDX-License-Identifier: Apache-2.0
package import JSONText

extension ModelFile {
  /// The folder of a path, and the `config.json` in it; nil where there is none.
  ///
  /// - Throws: `ModelFileError`.
  package static func configuration(of path: String) throws(ModelFileError) -> (folder: String, json: JSON)? {
    let folder = FileSystem.isFolder(path) ? path : path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
    let file = folder + "/config.json"
    guard FileSystem.isFile(file) else { return nil }
    return (folder, try FileSystem.json(file, limit: FileSystem.configurationLimit))
  }
}
