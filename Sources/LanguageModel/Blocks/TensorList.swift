// SPDX-License-Identifier: Apache-2.0

/// Collects the tensors of a described model and notices sizes that no model can have.
///
/// Checking here, once, keeps the blocks free of error paths: they add what the shapes say, and ``checked(file:)``
/// refuses the whole list when any product left the range.
struct TensorList {
  /// 2^56 parameters: 10,000 times the largest model, and every byte count of it still fits 64 bits.
  static let parameterLimit = 1 << 56

  private(set) var tensors: [TensorDescription] = []
  private var parameters = 0
  private var isTooLarge = false
  /// How matrices are stored as published; vectors are 32 bits, as every GGUF writer makes them.
  let matrixFormat: StorageFormat

  init(matrixFormat: StorageFormat) { self.matrixFormat = matrixFormat }

  /// - Shapes: `copies` matrices of (rows = outputs, columns = inputs).
  mutating func matrix(_ role: TensorRole, layer: Int = -1, _ rows: Int, _ columns: Int, copies: Int = 1) {
    append(
      TensorDescription(role, layer: layer, rows: rows, columns: columns, copies: copies, format: matrixFormat),
      rows, columns, copies)
  }

  mutating func vector(_ role: TensorRole, layer: Int = -1, _ count: Int) {
    append(.vector(role, layer: layer, count), 1, count, 1)
  }

  private mutating func append(_ tensor: TensorDescription, _ rows: Int, _ columns: Int, _ copies: Int) {
    guard rows > 0, columns > 0, copies > 0, max(rows, columns, copies) <= Int(Int32.max) else {
      isTooLarge = isTooLarge || rows > 0 && columns > 0 && copies > 0
      return
    }
    let matrix = rows * columns
    let (elements, overflow) = matrix.multipliedReportingOverflow(by: copies)
    guard !overflow, elements <= Self.parameterLimit - parameters else {
      isTooLarge = true
      return
    }
    parameters += elements
    tensors.append(tensor)
  }

  mutating func reserve(_ count: Int) { tensors.reserveCapacity(count) }

  /// The list, unless it left the range.
  func checked(file: String) throws(ConfigurationError) -> [TensorDescription] {
    guard !isTooLarge else { throw .tooLarge(file: file, what: "more than 2^56 parameters") }
    return tensors
  }
}
