// SPDX-License-Identifier: Apache-2.0
package import Quantities

/// Main memory, and how much of it may really be used.
package struct MemorySystem: Sendable, Equatable {
  package var total: Known<ByteCount>
  /// What the kernel believes a new program can have without swapping (`MemAvailable`).
  package var available: Known<ByteCount>
  /// The smallest limit above this process; nil when nothing limits it.
  package var limit: ByteCount?
  /// Which file or call set the limit: `/sys/fs/cgroup/.../memory.max`, `RLIMIT_AS`.
  package var limitSource: String?
  /// Bytes charged against the limit that cannot be reclaimed.
  package var usedOfLimit: ByteCount?
  package var swapTotal: Known<ByteCount>
  package var hugePages: HugePages
  package var numaNodes: [NUMANode]
  /// Vendor's peak read bandwidth, for machines that nobody measured.
  package var peakBandwidth: Known<Bandwidth>
  /// `DDR5-5600`, `LPDDR4X`; nil where nobody says.
  package var technology: String?

  package init(
    total: Known<ByteCount>, available: Known<ByteCount>, limit: ByteCount? = nil, limitSource: String? = nil,
    usedOfLimit: ByteCount? = nil, swapTotal: Known<ByteCount> = .unknown(reason: "not read"),
    hugePages: HugePages = HugePages(), numaNodes: [NUMANode] = [],
    peakBandwidth: Known<Bandwidth> = .unknown(reason: "no vendor figure for this machine"), technology: String? = nil
  ) {
    self.technology = technology
    self.total = total
    self.available = available
    self.limit = limit
    self.limitSource = limitSource
    self.usedOfLimit = usedOfLimit
    self.swapTotal = swapTotal
    self.hugePages = hugePages
    self.numaNodes = numaNodes
    self.peakBandwidth = peakBandwidth
  }

  /// Memory that a new program may use: what is available, and not more than what the limit leaves.
  package var usable: Known<ByteCount> {
    let base = available.value == nil ? total : available
    guard let limit else { return base }
    let room = ByteCount(max(0, limit.bytes - (usedOfLimit?.bytes ?? 0)))
    guard let free = base.value else { return .exact(room, .measured, source: limitSource) }
    return free <= room ? base : .exact(room, .measured, source: limitSource)
  }
}

package struct HugePages: Sendable, Equatable {
  package var size: ByteCount?
  package var reserved: Int?
  /// The kernel's choice for transparent huge pages: `always`, `madvise`, `never`.
  package var transparent: String?
  package init(size: ByteCount? = nil, reserved: Int? = nil, transparent: String? = nil) {
    self.size = size
    self.reserved = reserved
    self.transparent = transparent
  }
}

package struct NUMANode: Sendable, Equatable {
  package var index: Int
  package var capacity: Known<ByteCount>
  /// Relative distances to every node, 10 for itself (ACPI SLIT).
  package var distances: [Int]
  package var processingUnitCount: Int
  package init(index: Int, capacity: Known<ByteCount>, distances: [Int] = [], processingUnitCount: Int = 0) {
    self.index = index
    self.capacity = capacity
    self.distances = distances
    self.processingUnitCount = processingUnitCount
  }
}
