// SPDX-License-Identifier: Apache-2.0
package import LanguageModel

/// A model that is spread over several GGUF files (`NAME-00001-of-00003.gguf`), as the splitting tool of llama.cpp
/// writes them: the first has the metadata, each has a part of the tensors.
package final class GGUFShards: WeightSource {
  package let path: String
  package let inventory: TensorInventory
  package let files: [GGUFFile]
  /// For each tensor, its file and its place there.
  private let places: [(file: Int, tensor: Int)]

  /// Opens the parts beside any one of them.
  ///
  /// - Throws: `ModelFileError`; a missing part is named.
  package init(first: GGUFFile) throws(ModelFileError) {
    path = first.path
    files = try Self.files(beside: first)
    var tensors: [TensorDescription] = []
    var names: [String] = []
    var places: [(file: Int, tensor: Int)] = []
    var seen: Set<String> = []
    for (index, file) in files.enumerated() {
      for (place, name) in file.inventory.fileNames.enumerated() {
        guard seen.insert(name).inserted else {
          throw .malformed(path: file.path, at: .tensor(name, offset: nil), .duplicate(what: "the tensor"))
        }
        tensors.append(file.inventory.tensors[place])
        names.append(name)
        places.append((index, place))
      }
    }
    self.places = places
    inventory = TensorInventory(tensors: tensors, fileNames: names)
  }

  package func bytes(ofTensor index: Int) -> UnsafeRawBufferPointer {
    files[places[index].file].bytes(ofTensor: places[index].tensor)
  }

  package func prefetch(tensor index: Int) { files[places[index].file].prefetch(tensor: places[index].tensor) }

  package func mapSparsely(tensor index: Int) { files[places[index].file].mapSparsely(tensor: places[index].tensor) }

  package func discard(tensor index: Int, bytes range: Range<Int>) {
    files[places[index].file].discard(tensor: places[index].tensor, bytes: range)
  }

  /// The key under which each part states how many there are.
  package static let countKey = "split.count"
  /// No known model has more than a few hundred parts.
  package static let limit = 4096

  private static func files(beside first: GGUFFile) throws(ModelFileError) -> [GGUFFile] {
    let count = first.header.metadata.integer(countKey) ?? 1
    let location = ModelFileError.Location.key(countKey, offset: nil)
    guard (1...limit).contains(count) else {
      throw .malformed(
        path: first.path, at: location, .wrongValue(found: "\(count)", expected: "a number from 1 to \(limit)"))
    }
    guard let pattern = SplitName(first.path), pattern.count == count else {
      throw .malformed(
        path: first.path, at: location,
        .wrongValue(found: "\(count)", expected: "a file name that ends in '-00001-of-\(SplitName.padded(count)).gguf'")
      )
    }
    var files: [GGUFFile] = []
    for part in 1...count {
      let path = pattern.path(of: part)
      guard FileSystem.isFile(path) else {
        throw .malformed(path: first.path, at: location, .missing(expected: "the part '\(path)' beside it"))
      }
      files.append(path == first.path ? first : try GGUFFile(path: path))
    }
    return files
  }
}

/// A file name of the form `STEM-00002-of-00003.gguf`.
package struct SplitName: Equatable {
  let stem: String
  package let count: Int

  package init?(_ path: String) {
    let suffix = ".gguf"
    guard path.hasSuffix(suffix) else { return nil }
    let parts = path.dropLast(suffix.count).split(separator: "-", omittingEmptySubsequences: false)
    guard parts.count > 3, parts[parts.count - 2] == "of", let count = Int(parts[parts.count - 1]),
      parts[parts.count - 1].count == 5, parts[parts.count - 3].count == 5, Int(parts[parts.count - 3]) != nil
    else { return nil }
    stem = parts.dropLast(3).joined(separator: "-")
    self.count = count
  }

  package func path(of part: Int) -> String { "\(stem)-\(Self.padded(part))-of-\(Self.padded(count)).gguf" }

  /// Whether a path is a part that stands behind the first.
  package func isLaterPart(_ path: String) -> Bool { count > 1 && path != self.path(of: 1) }

  static func padded(_ number: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, 5 - digits.count)) + digits
  }
}
