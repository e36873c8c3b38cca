// SPDX-License-Identifier: Apache-2.0
package import LanguageModel

extension SafetensorsHeader {
  /// The file's tensors in the file's order, with roles where the names are known.
  ///
  /// - Throws: `.tooManyElements` for a dimension beyond 2^31 - 1, which no model has.
  package func inventory(path: String) throws(ModelFileError) -> TensorInventory {
    let names = HuggingFaceNames(tensors.map(\.name))
    var list: [TensorDescription] = []
    for tensor in tensors { list.append(try tensor.description(names, path: path)) }
    return TensorInventory(tensors: list, fileNames: tensors.map(\.name))
  }
}

extension SafetensorsTensor {
  /// The tensor as the rest of the program knows it.
  func description(_ names: HuggingFaceNames, path: String) throws(ModelFileError) -> TensorDescription {
    let columns = shape.last ?? 1
    let rows = shape.count > 1 ? shape[shape.count - 2] : 1
    let copies = shape.dropLast(2).reduce(1, *)
    guard max(columns, rows, copies) <= Int(Int32.max) else {
      throw .malformed(path: path, at: .tensor(name, offset: nil), .tooManyElements)
    }
    let (role, layer) = names.parse(name)
    return TensorDescription(
      role, layer: layer, rows: rows, columns: columns, copies: copies, format: .block(element.storage),
      isVector: shape.count < 2)
  }
}
