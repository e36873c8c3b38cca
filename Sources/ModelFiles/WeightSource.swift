// SPDX-License-Identifier: Apache-2.0
package import LanguageModel

/// A list of tensors and where their stored bytes are: a GGUF file, or safetensors files.
package protocol WeightSource: AnyObject, Sendable {
  /// The file or folder, for messages.
  var path: String { get }
  /// The tensors with their names (`fileNames` is filled).
  var inventory: TensorInventory { get }
  /// The stored bytes of the tensor at `index` of the inventory, valid while this object lives.
  func bytes(ofTensor index: Int) -> UnsafeRawBufferPointer
  /// Asks the system to read the tensor ahead of its use.
  func prefetch(tensor index: Int)
  /// Tells that single rows of the tensor will be read, here and there.
  func mapSparsely(tensor index: Int)
  /// Gives back the memory of a range of the tensor's bytes, which are not needed again.
  func discard(tensor index: Int, bytes range: Range<Int>)
  /// Rows of the tensor, from the first on, that lie interleaved in panels for the kernels; the others follow in order.
  func interleavedRows(ofTensor index: Int) -> Int
  /// Whether the tensor is spread over several of the file: then it has no bytes, and rows are copied out of it.
  func isPacked(tensor index: Int) -> Bool
  /// Writes rows of a packed tensor one behind the other, as blocks of its runtime format.
  func copyRows(_ rows: Range<Int>, ofTensor index: Int, to blocks: UnsafeMutableRawPointer)
  /// For a packed tensor that has an order: the input that each of the rows' columns belongs to.
  func inputOrder(ofTensor index: Int) -> [Int32]
  /// Whether the tensor is a copy in another order than the file's.
  func isReordered(tensor index: Int) -> Bool
}

extension WeightSource {
  package func mapSparsely(tensor index: Int) {}
  package func discard(tensor index: Int, bytes range: Range<Int>) {}
  package func interleavedRows(ofTensor index: Int) -> Int { 0 }
  package func isPacked(tensor index: Int) -> Bool { false }
  package func copyRows(_ rows: Range<Int>, ofTensor index: Int, to blocks: UnsafeMutableRawPointer) {}
  package func inputOrder(ofTensor index: Int) -> [Int32] { [] }
  package func isReordered(tensor index: Int) -> Bool { false }

  /// The place of a tensor in the inventory by its name in the file; nil when there is none.
  package func index(ofTensorNamed name: String) -> Int? { inventory.fileNames.firstIndex(of: name) }
}
