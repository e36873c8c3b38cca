// SPDX-License-Identifier: Apache-2.0
package import Quantities

/// What one of the places that share a model must hold.
package struct MemoryPlace: Sendable, Equatable {
  package enum Kind: String, Sendable { case device, processor }

  package var kind: Kind
  /// Which of unequal devices; nil for equal ones and the processor.
  package var device: String?
  /// Equal places; of devices the fullest is told.
  package var count: Int
  /// Layers of the model that stand there.
  package var layers: Int
  package var needed: ByteCount
  /// Of one place.
  package var usable: Known<ByteCount>

  package init(kind: Kind, count: Int, layers: Int, needed: ByteCount, usable: Known<ByteCount>) {
    self.kind = kind
    self.count = count
    self.layers = layers
    self.needed = needed
    self.usable = usable
  }

  /// Nil where nobody knows how much there is.
  package var verdict: Verdict? { Capacity(usable: usable, label: "").verdict(for: needed) }

  /// Needed over usable; zero where nobody knows how much there is.
  package var load: Double { usable.value.map { needed.magnitude / max(1, $0.magnitude) } ?? 0 }

  package var name: String {
    switch kind {
    case .processor: "the processor's memory"
    case .device: count > 1 ? "the fullest of \(count) \(device ?? "devices")" : "the \(device ?? "device")"
    }
  }
}

extension Verdict {
  /// What holds for all places: the worst; nil where one is not known and none is full.
  static func ofAll(_ verdicts: [Verdict?]) -> Verdict? {
    if verdicts.contains(.no) { return .no }
    if verdicts.contains(nil) { return nil }
    return verdicts.contains(.tight) ? .tight : .comfortable
  }
}
