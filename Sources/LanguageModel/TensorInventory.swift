// SPDX-License-Identifier: Apache-2.0
package import Quantities

/// One tensor of a model: what it does, where, its shape and how it is stored.
///
/// A plain value without references: estimating thousands of models × variants walks millions of these.
/// - Shapes: `copies` matrices of (rows = outputs, columns = inputs), row-major; a vector has one row.
package struct TensorDescription: Hashable, Sendable {
  package var role: TensorRole
  /// The layer's index from 0, or -1 outside the layers.
  package var layer: Int16
  package var rows: Int32
  package var columns: Int32
  /// Matrices stacked in one tensor, one per expert; 1 otherwise.
  package var copies: Int32
  package var format: StorageFormat
  package var part: TensorPart
  /// True for a vector (norm weights, biases): such tensors are never quantised.
  package var isVector: Bool

  package init(
    _ role: TensorRole, layer: Int = -1, rows: Int, columns: Int, copies: Int = 1, format: StorageFormat = .f16,
    part: TensorPart = .whole, isVector: Bool = false
  ) {
    self.role = role
    self.layer = Int16(clamping: layer)
    self.rows = Int32(clamping: rows)
    self.columns = Int32(clamping: columns)
    self.copies = Int32(clamping: copies)
    self.format = format
    self.part = part
    self.isVector = isVector
  }

  /// A vector of `count` elements.
  package static func vector(
    _ role: TensorRole, layer: Int = -1, _ count: Int, format: StorageFormat = .f32
  ) -> TensorDescription {
    TensorDescription(role, layer: layer, rows: 1, columns: count, format: format, isVector: true)
  }

  /// A stack of which a token visits some matrices only: experts, also of attention (JetMoE).
  package var isRoutedExpert: Bool {
    role.isRoutedExpert || copies > 1 && (role == .attentionQuery || role == .attentionOutput)
  }

  package var elements: Int { Int(rows) * Int(columns) * Int(copies) }

  /// Stored bytes, without alignment.
  package var bytes: ByteCount { format.bytes(rows: Int(rows), columns: Int(columns)) * Int(copies) }
}

/// The list of tensors that everything reads: memory, work, energy and the runtime.
package struct TensorInventory: Sendable {
  package var tensors: [TensorDescription]
  /// The names that a file gives its tensors, parallel to `tensors`; empty for a described model, whose names follow
  /// from role and layer.
  package var fileNames: [String]

  package init(tensors: [TensorDescription], fileNames: [String] = []) {
    self.tensors = tensors
    self.fileNames = fileNames
  }

  /// Stored bytes of all tensors, without alignment or header.
  package var bytes: ByteCount { tensors.reduce(.zero) { $0 + $1.bytes } }

  /// Learnt numbers of all tensors; rotary tables do not count.
  package var parameterCount: Int { tensors.reduce(0) { $0 + ($1.role.isConstant ? 0 : $1.elements) } }

  /// Stored bits per parameter of the whole list: computed, never declared.
  package var bitsPerWeight: Double { bytes.magnitude * 8 / Double(max(parameterCount, 1)) }
}
