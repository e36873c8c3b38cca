// SPDX-License-Identifier: Apache-2.0
package import LanguageModel

/// The numbers that training changes, with their gradients, in two flat lists.
package final class ParameterStore<Number: TrainingNumber>: @unchecked Sendable {
  /// Where a tensor lies in the lists.
  package struct Slot: Sendable, Equatable {
    package let key: ParameterKey
    /// The matrix itself, or a factor of its adapter.
    package let part: TensorPart
    package let offset: Int
    package let rows: Int
    package let columns: Int

    package var range: Range<Int> { offset..<offset + rows * columns }
    /// Weight decay pulls matrices towards zero; a norm's weight belongs at one.
    var decays: Bool { !key.role.isNorm }
  }

  package let slots: [Slot]
  package let count: Int
  let values: NumberBuffer<Number>
  let gradients: NumberBuffer<Number>

  init(_ shapes: [(key: ParameterKey, part: TensorPart, rows: Int, columns: Int)]) {
    var slots: [Slot] = []
    var offset = 0
    for shape in shapes {
      slots.append(Slot(key: shape.key, part: shape.part, offset: offset, rows: shape.rows, columns: shape.columns))
      offset += shape.rows * shape.columns
    }
    self.slots = slots
    count = offset
    values = NumberBuffer(offset)
    gradients = NumberBuffer(offset)
  }

  func slot(_ key: ParameterKey, _ part: TensorPart = .whole) -> Slot? {
    slots.first { $0.key == key && $0.part == part }
  }

  package subscript(index: Int) -> Number {
    get { values.address[index] }
    set { values.address[index] = newValue }
  }

  package func gradient(at index: Int) -> Number { gradients.address[index] }
  package func clearGradients() { gradients.clear() }
}
