// SPDX-License-Identifier: Apache-2.0
internal import JSONText

extension SafetensorsFiles {
  /// The weights of a folder: those that `model.safetensors.index.json` lists, or `model.safetensors`; nil when the
  /// folder has neither.
  ///
  /// - Throws: `ModelFileError`, also when a listed file is missing.
  package static func inFolder(_ folder: String) throws(ModelFileError) -> SafetensorsFiles? {
    let index = folder + "/model.safetensors.index.json"
    if FileSystem.isFile(index) {
      return try SafetensorsFiles(path: folder, files: try shards(ofIndex: index).map { "\(folder)/\($0)" })
    }
    let single = folder + "/model.safetensors"
    return FileSystem.isFile(single) ? try SafetensorsFiles(path: folder, files: [single]) : nil
  }

  /// The file names in an index's `weight_map`, sorted, each once.
  private static func shards(ofIndex path: String) throws(ModelFileError) -> [String] {
    let root = try FileSystem.json(path, limit: FileSystem.shardListLimit)
    guard let map = root["weight_map"]?.members, !map.isEmpty else {
      throw .malformed(path: path, at: .key("weight_map", offset: nil), .missing(expected: "an object of file names"))
    }
    var names: Set<String> = []
    for member in map {
      guard let name = member.value.stringValue, name.hasSuffix(".safetensors"), !name.contains("/") else {
        throw .malformed(
          path: path, at: .key("weight_map.\(member.key)", offset: nil),
          .wrongType(found: member.value.typeName, expected: "the name of a .safetensors file in the same folder"))
      }
      names.insert(name)
    }
    return names.sorted()
  }
}
