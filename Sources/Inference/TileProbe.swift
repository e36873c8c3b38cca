// SPDX-License-Identifier: Apache-2.0
import CKernels
internal import CostModel
internal import Quantities

/// What tiles do at most, with memory of its own.
package final class TileProbe {
  private let pool: ThreadPool
  private let peak: @convention(c) (UnsafeRawPointer?, Int64, UnsafeMutablePointer<Double>?) -> Float
  private let rooms: MemorySlab
  private static let roomFloats = RuntimeMemoryPlan.gemmScratchFloats

  /// - Returns: nil where the set has no tiles.
  /// - Throws: `LanguageRuntimeError.outOfMemory`.
  package init?(kernels: KernelSet, pool: ThreadPool) throws(LanguageRuntimeError) {
    guard let peak = kernels.row.pointee.tile_peak else { return nil }
    self.pool = pool
    self.peak = peak
    rooms = try MemorySlab(bytes: ByteCount(pool.count * Self.roomFloats * 4), for: "tiles")
  }

  /// Four products by tiles, `rounds` times on every thread of prompts: from registers, or each time with the four loads
  /// that products are not without.
  ///
  /// - Returns: the operations.
  package func multiply(rounds: Int, withLoads: Bool) -> Double {
    var operations = 0.0
    pool.withThreads(pool.counts.prefill) {
      pool.run { thread in
        let room = UnsafeMutableRawPointer(rooms.floats() + thread * Self.roomFloats)
        var own = 0.0
        let sum = peak(withLoads ? UnsafeRawPointer(room) : nil, Int64(rounds), &own)
        room.storeBytes(of: sum, as: Float.self)  // so that it is not left out
        if thread == 0 { operations = own * Double(pool.counts.prefill) }
      }
    }
    return operations
  }
}
