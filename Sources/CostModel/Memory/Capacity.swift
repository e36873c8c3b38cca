// SPDX-License-Identifier: Apache-2.0
package import Hardware
package import Quantities

/// The memory that a model may take on a machine, and where that figure comes from.
package struct Capacity: Sendable, Equatable {
  /// Above this share of what is usable an answer is "no": page tables, other programs and the estimate's own error.
  package static let usableShare = 0.92
  /// Up to this share it is comfortable.
  package static let comfortableShare = 0.80
  /// What macOS lets a graphics unit wire: two thirds up to 36 GB of memory, three quarters above.
  static let wiredShare = (small: 2.0 / 3, large: 0.75, boundary: ByteCount.gigabytes(36))

  /// Usable memory before the margin; unknown where nobody could read it.
  package var usable: Known<ByteCount>
  /// In words: which memory, which limit.
  package var label: String

  package init(usable: Known<ByteCount>, label: String) {
    self.usable = usable
    self.label = label
  }

  /// What the program's process may have: available memory, cut by the limit that binds.
  package init(memory: MemorySystem) {
    usable = memory.usable
    if memory.limit != nil, let source = memory.usable.source {
      label = "memory, limited by \(source)"
    } else {
      label = memory.available.value == nil ? "memory" : "available memory"
    }
  }

  /// Of devices that each hold as much of a model: the one with least room.
  package init(fullestOf devices: [Accelerator]) {
    let each = devices.map { Capacity(devices: [$0]) }
    self =
      each.min { ($0.usable.value?.magnitude ?? 0) < ($1.usable.value?.magnitude ?? 0) } ?? Capacity(devices: devices)
  }

  /// The devices' own memory, what is free of it where that is known, or their share of the machine's.
  ///
  /// Several devices together; what a model leaves on each is told by its places.
  package init(devices: [Accelerator]) {
    let parts = devices.map { $0.memoryFree.value == nil ? $0.memoryTotal : $0.memoryFree }
    usable = parts.dropFirst().reduce(parts.first ?? .unknown(reason: "no device")) { $0 + $1 }
    label = "memory of \(Self.names(devices))"
    if let first = devices.first, first.hasUnifiedMemory, first.vendor == "Apple" {
      usable = usable.map {
        $0 * ($0 <= Self.wiredShare.boundary ? Self.wiredShare.small : Self.wiredShare.large)
      }
      label += ", as far as the system lets the graphics unit have it"
    }
  }

  /// `2 devices of A` where all bear one name, else `2 × A and B`.
  private static func names(_ devices: [Accelerator]) -> String {
    var kinds: [(name: String, count: Int)] = []
    for device in devices {
      if let index = kinds.firstIndex(where: { $0.name == device.name }) {
        kinds[index].count += 1
      } else {
        kinds.append((device.name, 1))
      }
    }
    guard kinds.count > 1 else {
      return kinds.first.map { $0.count > 1 ? "\($0.count) devices of \($0.name)" : $0.name } ?? "no device"
    }
    let told = kinds.map { $0.count > 1 ? "\($0.count) × \($0.name)" : $0.name }
    return told.dropLast().joined(separator: ", ") + " and " + told[told.count - 1]
  }

  /// Whether `needed` fits; nil when the capacity is unknown.
  package func verdict(for needed: ByteCount) -> Verdict? {
    guard let usable = usable.value else { return nil }
    if needed.magnitude > usable.magnitude * Self.usableShare { return .no }
    return needed.magnitude <= usable.magnitude * Self.comfortableShare ? .comfortable : .tight
  }
}
