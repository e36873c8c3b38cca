// SPDX-License-Identifier: Apache-2.0
package import LanguageModel

/// Tensors put together from other sources: some of a file's, some computed.
package final class DerivedWeights: WeightSource, @unchecked Sendable {
  package struct Entry: @unchecked Sendable {
    package var tensor: TensorDescription
    package var name: String
    package var bytes: UnsafeRawBufferPointer

    package init(tensor: TensorDescription, name: String, bytes: UnsafeRawBufferPointer) {
      self.tensor = tensor
      self.name = name
      self.bytes = bytes
    }
  }

  package let path: String
  package let inventory: TensorInventory
  private let entries: [Entry]
  /// Keep the bytes alive.
  private let owners: [AnyObject]

  /// - Parameters:
  ///   - path: of what the tensors come from, for messages.
  ///   - owners: what the entries' bytes belong to.
  package init(path: String, _ entries: [Entry], owners: [AnyObject]) {
    self.path = path
    self.entries = entries
    self.owners = owners
    inventory = TensorInventory(tensors: entries.map(\.tensor), fileNames: entries.map(\.name))
  }

  package func bytes(ofTensor index: Int) -> UnsafeRawBufferPointer { entries[index].bytes }
  package func prefetch(tensor index: Int) {}
}

extension WeightSource {
  /// A tensor as it would stand in another list.
  package func entry(_ index: Int) -> DerivedWeights.Entry {
    DerivedWeights.Entry(
      tensor: inventory.tensors[index], name: inventory.fileNames[index], bytes: bytes(ofTensor: index))
  }
}
