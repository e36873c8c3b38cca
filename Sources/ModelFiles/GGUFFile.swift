// SPDX-License-Identifier: Apache-2.0
package import LanguageModel

/// A GGUF file on disk: its header, and the mapped bytes of its tensors.
package final class GGUFFile: WeightSource {
  package let header: GGUFHeader
  package let inventory: TensorInventory
  package let file: MappedFile

  /// Maps the file and reads its header.
  ///
  /// - Throws: `ModelFileError`.
  package init(path: String) throws(ModelFileError) {
    file = try MappedFile(path: path)
    switch try GGUFHeader.read(file.bytes, fileBytes: file.count, path: path) {
    case .complete(let header):
      self.header = header
      inventory = try header.inventory(path: path)
    case .needsMoreBytes(let count):
      // The whole file is at hand, so that the reader has nothing more to ask for.
      throw .malformed(
        path: path, at: .offset(file.count),
        .truncated(what: "the header", neededBytes: UInt64(count), remainingBytes: 0))
    }
  }

  package var path: String { file.path }

  /// The data of the tensor at `index` of `header.tensors`, valid while this object lives.
  package func bytes(ofTensor index: Int) -> UnsafeRawBufferPointer {
    let tensor = header.tensors[index]
    let start = header.dataOffset + tensor.offset
    return UnsafeRawBufferPointer(rebasing: file.bytes[start..<start + tensor.byteCount])
  }

  package func prefetch(tensor index: Int) {
    let start = header.dataOffset + header.tensors[index].offset
    file.prefetch(start..<start + header.tensors[index].byteCount)
  }

  package func mapSparsely(tensor index: Int) {
    let start = header.dataOffset + header.tensors[index].offset
    file.mapSparsely(start..<start + header.tensors[index].byteCount)
  }

  package func discard(tensor index: Int, bytes range: Range<Int>) {
    let start = header.dataOffset + header.tensors[index].offset
    file.discard(start + range.lowerBound..<start + range.upperBound)
  }
}
