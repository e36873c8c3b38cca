// SPDX-License-Identifier: Apache-2.0
package import LanguageModel

extension GGUFHeader {
  /// The file's tensors in the file's order.
  ///
  /// A tensor of more than two dimensions is a stack of matrices.
  /// - Throws: `.tooManyElements` for a dimension beyond 2^31 - 1, which no model has.
  package func inventory(path: String) throws(ModelFileError) -> TensorInventory {
    var list: [TensorDescription] = []
    list.reserveCapacity(tensors.count)
    for tensor in tensors {
      guard let description = tensor.description else {
        throw .malformed(path: path, at: .tensor(tensor.name, offset: nil), .tooManyElements)
      }
      list.append(description)
    }
    return TensorInventory(tensors: list, fileNames: tensors.map(\.name))
  }
}

extension GGUFTensor {
  /// The tensor as the rest of the program knows it; nil when a dimension exceeds 32 bits.
  var description: TensorDescription? {
    let columns = dimensions.first ?? 1
    let rows = dimensions.count > 1 ? dimensions[1] : 1
    let copies = dimensions.dropFirst(2).reduce(1, *)
    guard max(columns, rows, copies) <= Int(Int32.max) else { return nil }
    let (matrix, part) = TensorPart.parse(ggufName: name)
    let (role, layer) = TensorRole.parse(ggufName: matrix)
    return TensorDescription(
      role, layer: layer, rows: rows, columns: columns, copies: copies, format: .block(format), part: part,
      isVector: dimensions.count < 2)
  }
}

extension GGUFMetadata: MetadataLookup {
  package func integer(_ key: String) -> Int? {
    guard let value = self[key] else { return nil }
    return value.intValue ?? value.doubleValue.flatMap { Int(exactly: $0) }
  }
  package func number(_ key: String) -> Double? { self[key]?.doubleValue }
  package func string(_ key: String) -> String? { self[key]?.stringValue }
  package func flag(_ key: String) -> Bool? { self[key]?.boolValue }
  package func integers(_ key: String) -> [Int]? {
    guard let array = self[key]?.arrayValue else { return nil }
    return array.integers ?? array.booleans?.map { $0 ? 1 : 0 }
  }
  package func arrayCount(_ key: String) -> Int? { self[key]?.arrayValue?.count }
}
