// SPDX-License-Identifier: Apache-2.0
package import LanguageModel
package import Quantities

/// The sums over a variant's tensors that memory, work and energy are computed from.
package struct VariantSummary: Sendable {
  /// The tensors of one class that share a format.
  package struct Entry: Sendable, Equatable {
    package var format: StorageFormat
    package var tensorClass: TensorClass
    package var bytes: ByteCount
    /// How the built-in runtime keeps them, and the bytes that this takes; nil and the stored bytes where it cannot.
    package var runtimeFormat: RuntimeFormat?
    package var runtimeBytes: ByteCount
    package var elements: Int
    package var tensors: Int
  }

  /// The widths of all adapters kept apart, summed: what each token's values pass through beside the matrices.
  package struct AdapterWidths: Sendable, Equatable {
    /// Columns of the inner matrices, their rows, and rows of the outer ones.
    package private(set) var inputs = 0
    package private(set) var ranks = 0
    package private(set) var outputs = 0
    package private(set) var adapters = 0

    fileprivate mutating func add(_ shape: TensorShape, count: Int) {
      switch shape.part {
      case .adapterInner:
        inputs += Int(shape.columns) * count
        ranks += Int(shape.rows) * count
        adapters += count
      case .adapterOuter: outputs += Int(shape.rows) * count
      case .whole, .inner, .outer: break
      }
    }
  }

  package private(set) var entries: [Entry] = []
  package private(set) var adapterWidths = AdapterWidths()
  /// Stored bytes of all tensors.
  package private(set) var bytes: ByteCount = .zero
  /// The same with every tensor padded to a multiple of 32 bytes, as a GGUF file lays them out.
  package private(set) var alignedBytes: ByteCount = .zero
  /// What the built-in runtime keeps, every tensor a multiple of 32 bytes.
  package private(set) var runtimeBytes: ByteCount = .zero
  package let parameters: Int

  init(parameters: Int) {
    self.parameters = parameters
    entries.reserveCapacity(16)
  }

  /// Stored bits per parameter: computed, never declared.
  package var bitsPerWeight: Double { bytes.magnitude * 8 / Double(max(parameters, 1)) }

  /// Whether products with a format want a copy of their input.
  package var copiesInput: Bool { entries.contains { $0.format.copiesInput } }

  /// Stored bytes of one class of tensors.
  package func bytes(of tensorClass: TensorClass) -> ByteCount {
    entries.reduce(.zero) { $1.tensorClass == tensorClass ? $0 + $1.bytes : $0 }
  }

  mutating func add(_ shape: TensorShape, _ format: StorageFormat, count: Int) {
    adapterWidths.add(shape, count: count)
    let tensor = shape.tensor(storedIn: format)
    let elements = tensor.elements * count
    let (single, inRuntime) = (tensor.bytes, tensor.runtimeBytes)
    bytes += single * count
    alignedBytes += single.aligned(to: 32) * count
    runtimeBytes += inRuntime.aligned(to: 32) * count
    let runtimeFormat = tensor.runtimeFormat
    for index in entries.indices.reversed()
    where entries[index].tensorClass == shape.tensorClass && entries[index].format == format
      && entries[index].runtimeFormat == runtimeFormat
    {
      entries[index].bytes += single * count
      entries[index].runtimeBytes += inRuntime * count
      entries[index].elements += elements
      entries[index].tensors += count
      return
    }
    entries.append(
      Entry(
        format: format, tensorClass: shape.tensorClass, bytes: single * count, runtimeFormat: runtimeFormat,
        runtimeBytes: inRuntime * count, elements: elements, tensors: count))
  }
}
