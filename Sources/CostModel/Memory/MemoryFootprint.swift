// SPDX-License-Identifier: Apache-2.0
package import Quantities

/// The memory that a model needs, item by item.
package struct MemoryFootprint: Sendable, Equatable {
  package enum Kind: String, Sendable, CaseIterable {
    case weights, keyValueCache, compute, overhead
  }

  /// One line of the sum.
  package struct Item: Sendable, Equatable {
    package var kind: Kind
    /// What it is, for people: "KV cache, 22 layers of full attention".
    package var label: String
    package var bytes: Known<ByteCount>
    /// How the number came about, with its figures filled in.
    package var formula: String

    package init(_ kind: Kind, _ label: String, _ bytes: Known<ByteCount>, formula: String) {
      self.kind = kind
      self.label = label
      self.bytes = bytes
      self.formula = formula
    }
  }

  package var items: [Item]
  package init(items: [Item]) { self.items = items }

  package subscript(kind: Kind) -> Known<ByteCount> {
    items.filter { $0.kind == kind }.reduce(.exact(.zero, .modelled)) { $0 + $1.bytes }
  }

  package var total: Known<ByteCount> { items.reduce(.exact(.zero, .modelled)) { $0 + $1.bytes } }
}

extension MemoryFootprint {
  /// The plan's buffers and what the process takes besides.
  package init(plan: RuntimeMemoryPlan, process: ProcessOverhead) {
    self.init(
      items: plan.buffers.filter { $0.bytes > .zero }.map { buffer in
        Item(buffer.kind, buffer.name.name, .exact(buffer.bytes, .modelled), formula: buffer.formula)
      } + [Item(.overhead, "process", process.bytes, formula: process.formula)])
  }
}
