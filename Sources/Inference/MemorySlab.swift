// SPDX-License-Identifier: Apache-2.0
internal import CostModel
import Glibc
package import Quantities

/// Memory straight from the system, all of it resident when the initialiser returns unless the owner fills it at once:
/// then no page is touched before, so that each lies on the node of the thread that fills it.
package final class MemorySlab: @unchecked Sendable {
  package let count: Int
  package let address: UnsafeMutableRawPointer

  private static let hugePage = 2 << 20
  private static let madviseHugePage: Int32 = 14  // MADV_HUGEPAGE, not in the Glibc module

  /// - Throws: `LanguageRuntimeError.outOfMemory` when the system refuses.
  package init(bytes: ByteCount, for name: String, isFilledByOwner: Bool = false) throws(LanguageRuntimeError) {
    count = max(Int(bytes.bytes), 1)
    // Populating faults in 4-KiB pages; only slabs of many huge pages ask for those and are touched below.
    let isLarge = count >= 16 * Self.hugePage
    let flags = MAP_PRIVATE | MAP_ANONYMOUS | (isLarge || isFilledByOwner ? 0 : MAP_POPULATE)
    guard let base = mmap(nil, count, PROT_READ | PROT_WRITE, flags, -1, 0), base != MAP_FAILED else {
      throw .outOfMemory(buffer: name, bytes: bytes, errno: errno)
    }
    address = base
    if isLarge {
      madvise(base, count, Self.madviseHugePage)
      if !isFilledByOwner { touch() }
    }
  }

  deinit { munmap(address, count) }

  private func touch() {
    for offset in stride(from: 0, to: count, by: 4096) {
      address.storeBytes(of: 0, toByteOffset: offset, as: UInt8.self)
    }
  }

  package func floats(at offset: Int = 0) -> UnsafeMutablePointer<Float> {
    (address + offset).assumingMemoryBound(to: Float.self)
  }
}

/// The buffers of a memory plan, allocated exactly.
final class RuntimeBuffers: @unchecked Sendable {
  let plan: RuntimeMemoryPlan
  /// By name; nil where the plan has none.
  private let slabs: [MemorySlab?]

  /// Allocates everything but the weights, which have an owner of their own.
  init(plan: RuntimeMemoryPlan) throws(LanguageRuntimeError) {
    self.plan = plan
    var slabs = [MemorySlab?](repeating: nil, count: RuntimeMemoryPlan.BufferName.allCases.count)
    for buffer in plan.buffers where buffer.name != .weights {
      slabs[buffer.name.rawValue] = try MemorySlab(bytes: buffer.bytes, for: buffer.name.name)
    }
    self.slabs = slabs
  }

  var allocated: ByteCount { plan.buffers.reduce(.zero) { $0 + ($1.name == .weights ? .zero : $1.bytes) } }

  func slab(_ name: RuntimeMemoryPlan.BufferName) -> MemorySlab {
    guard let slab = slabs[name.rawValue] else { preconditionFailure("the plan has no buffer '\(name)'") }
    return slab
  }

  func floats(_ name: RuntimeMemoryPlan.BufferName) -> UnsafeMutablePointer<Float> { slab(name).floats() }

  /// A buffer with its end.
  func room(_ name: RuntimeMemoryPlan.BufferName) -> UnsafeMutableBufferPointer<Float> {
    UnsafeMutableBufferPointer(start: floats(name), count: slab(name).count / MemoryLayout<Float>.stride)
  }

  /// A buffer that only some plans have.
  func floats(ifPlanned name: RuntimeMemoryPlan.BufferName) -> UnsafeMutablePointer<Float>? {
    slabs[name.rawValue]?.floats()
  }
}
