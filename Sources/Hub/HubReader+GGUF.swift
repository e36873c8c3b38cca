// SPDX-License-Identifier: Apache-2.0
internal import LanguageModel
internal import ModelFiles
internal import Quantities

extension HubReader {
  /// Small models' headers fit; those of large vocabularies have 5 to 12 MB and come in growing pieces.
  private static let firstPiece = 256 << 10
  /// Pieces double up to this size, so that at most so much beyond a header is read.
  private static let largestPiece = 4 << 20
  /// Ten times the longest header of a published file (vocabularies of 256,000 tokens: 12 MB).
  private static let headerLimit = 128 << 20

  /// Describes a GGUF file, or the model of which it is a part, from headers.
  func gguf(_ name: String) throws(HubError) -> HubModel {
    var parts = [try ggufPart(name)]
    let count = parts[0].header.metadata.integer(GGUFShards.countKey) ?? 1
    if count != 1 { parts = try allParts(name, count: count, having: parts[0]) }
    var tensors: [TensorDescription] = []
    var names: [String] = []
    for part in parts {
      let inventory = try inventory(part)
      tensors += inventory.tensors
      names += inventory.fileNames
    }
    let inventory = TensorInventory(tensors: tensors, fileNames: names)
    let description = try description(parts[0].header, inventory, name)
    return HubModel(
      description: description, files: parts.map(\.file), parametersCounted: inventory.parameterCount,
      received: ByteCount(connection.received), requests: connection.requests)
  }

  private struct Part {
    let file: HubFile
    let header: GGUFHeader
  }

  private func allParts(_ name: String, count: Int, having part: Part) throws(HubError) -> [Part] {
    guard (1...GGUFShards.limit).contains(count), let pattern = SplitName(name), pattern.count == count else {
      throw .file(
        .malformed(
          path: path(of: name), at: .key(GGUFShards.countKey, offset: nil),
          .wrongValue(found: "\(count)", expected: "the number of parts that the file's name states")))
    }
    var parts: [Part] = []
    for index in 1...count {
      let path = pattern.path(of: index)
      parts.append(path == name ? part : try ggufPart(path))
    }
    return parts
  }

  /// Reads one file's header in growing pieces.
  private func ggufPart(_ name: String) throws(HubError) -> Part {
    var file = RemoteFile(name, of: reference, endpoint: connection.settings.endpoint)
    var wanted = Self.firstPiece
    while true {
      try file.extend(to: wanted, through: connection)
      switch try outcome(file) {
      case .complete(let header):
        let size = file.totalBytes.map { ByteCount($0) }
        return Part(
          file: HubFile(name: name, size: size, tensorBytes: ByteCount(header.tensorBytes)), header: header)
      case .needsMoreBytes(let count):
        guard !file.isWhole, count > file.bytes.count else { throw truncated(file, count) }
        guard count <= Self.headerLimit else {
          throw .tooLarge(url: path(of: name), limit: ByteCount(Self.headerLimit))
        }
        wanted = max(count, file.bytes.count + min(file.bytes.count, Self.largestPiece))
      }
    }
  }

  private func outcome(_ file: RemoteFile) throws(HubError) -> GGUFHeader.Outcome {
    let path = path(of: file.name)
    let result = file.bytes.withUnsafeBytes { bytes in
      Result { () throws(ModelFileError) in try GGUFHeader.read(bytes, fileBytes: file.totalBytes, path: path) }
    }
    do throws(ModelFileError) { return try result.get() } catch { throw .file(error) }
  }

  private func inventory(_ part: Part) throws(HubError) -> TensorInventory {
    do throws(ModelFileError) {
      return try part.header.inventory(path: path(of: part.file.name))
    } catch {
      throw .file(error)
    }
  }

  private func description(
    _ header: GGUFHeader, _ inventory: TensorInventory, _ name: String
  ) throws(HubError) -> LanguageModelDescription {
    do throws(ModelFileError) {
      return try header.description(
        inventory, path: path(of: name), provenance: .hub(repository: reference.repository + ":" + name))
    } catch {
      throw .file(error)
    }
  }
}
