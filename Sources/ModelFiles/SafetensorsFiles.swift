// SPDX-License-Identifier: Apache-2.0
internal import JSONText
package import LanguageModel

/// The weights of a checkpoint in one or more mapped safetensors files.
package final class SafetensorsFiles: WeightSource {
  package let path: String
  package let inventory: TensorInventory
  private let places: [Place]
  private let shards: [Shard]

  private struct Shard: Sendable {
    var file: MappedFile
    var header: SafetensorsHeader
  }

  private struct Place: Sendable {
    var shard: Int
    var range: Range<Int>
  }

  /// Maps the files and reads their headers.
  ///
  /// - Parameter path: the folder or file, for messages.
  /// - Throws: `ModelFileError`; a tensor that is in two files is `.duplicate`.
  package init(path: String, files: [String]) throws(ModelFileError) {
    self.path = path
    var shards: [Shard] = []
    for file in files { shards.append(try Self.shard(file)) }
    self.shards = shards
    let names = HuggingFaceNames(shards.flatMap { $0.header.tensors.map(\.name) })
    var list: [TensorDescription] = []
    var fileNames: [String] = []
    var places: [Place] = []
    var seen: Set<String> = []
    for (index, shard) in shards.enumerated() {
      for tensor in shard.header.tensors {
        guard seen.insert(tensor.name).inserted else {
          throw .malformed(
            path: shard.file.path, at: .tensor(tensor.name, offset: nil), .duplicate(what: "the tensor"))
        }
        list.append(try tensor.description(names, path: shard.file.path))
        fileNames.append(tensor.name)
        let start = shard.header.dataOffset + tensor.offset
        places.append(Place(shard: index, range: start..<start + tensor.byteCount))
      }
    }
    self.places = places
    inventory = TensorInventory(tensors: list, fileNames: fileNames)
  }

  private static func shard(_ path: String) throws(ModelFileError) -> Shard {
    let file = try MappedFile(path: path)
    switch try SafetensorsHeader.read(file.bytes, fileBytes: file.count, path: path) {
    case .complete(let header): return Shard(file: file, header: header)
    case .needsMoreBytes(let count):
      throw .malformed(
        path: path, at: .offset(file.count),
        .truncated(what: "the header", neededBytes: UInt64(count), remainingBytes: 0))
    }
  }

  package func bytes(ofTensor index: Int) -> UnsafeRawBufferPointer {
    let place = places[index]
    return UnsafeRawBufferPointer(rebasing: shards[place.shard].file.bytes[place.range])
  }

  package func prefetch(tensor index: Int) {
    shards[places[index].shard].file.prefetch(places[index].range)
  }

  package func mapSparsely(tensor index: Int) {
    shards[places[index].shard].file.mapSparsely(places[index].range)
  }

  package func discard(tensor index: Int, bytes range: Range<Int>) {
    let start = places[index].range.lowerBound
    shards[places[index].shard].file.discard(start + range.lowerBound..<start + range.upperBound)
  }
}
