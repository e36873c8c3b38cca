// SPDX-License-Identifier: Apache-2.0
import CostModel
import Foundation
import Hardware
import LanguageModel
import ModelFiles
import Quantities
import Synchronization
import Testing

@testable import Inference

/// Where threads run, and that the memory that they read is theirs.
@Suite struct PlacementTests {
  /// As recorded of 40intel64-2g2n4c: four nodes that are numbered through by turns.
  static let byTurns = (0..<40).map { ProcessingUnit($0, core: $0, node: $0 % 4) }
  /// Two sockets of two cores with two threads, numbered core by core.
  private static let twoSockets = (0..<8).map { ProcessingUnit($0, core: $0 / 2 * 2, node: $0 / 4) }

  private func numbers(_ counts: ThreadCounts, _ units: [ProcessingUnit]) -> [Int] {
    ThreadPlacement(of: counts, on: units).units.map(\.number)
  }

  @Test func `a few threads draw on all nodes, and neighbours stand on the same one`() {
    #expect(numbers(8, Self.byTurns) == [0, 4, 1, 5, 2, 6, 3, 7])
    #expect(numbers(3, Self.byTurns) == [0, 1, 2])
    #expect(ThreadPlacement(of: 8, on: Self.byTurns).hasNodes)
    let all = ThreadPlacement(of: 40, on: Self.byTurns).units
    #expect(all.map(\.node) == (0..<40).map { $0 / 10 })
    #expect(Set(all) == Set(Self.byTurns))
  }

  @Test func `second threads of cores come last, and the threads of both phases first`() {
    #expect(numbers(4, Self.twoSockets) == [0, 2, 4, 6])
    #expect(numbers(ThreadCounts(decode: 4, prefill: 8), Self.twoSockets) == [0, 2, 4, 6, 1, 3, 5, 7])
    #expect(numbers(ThreadCounts(decode: 8, prefill: 4), Self.twoSockets) == [0, 2, 4, 6, 1, 3, 5, 7])
    #expect(numbers(ThreadCounts(decode: 2, prefill: 6), Self.twoSockets) == [0, 4, 2, 1, 6, 5])
  }

  @Test func `one node, nodes of different sizes, and more threads than units`() {
    let hybrid = [(0, 0), (1, 0), (2, 2), (3, 2), (4, 4), (5, 5)].map { ProcessingUnit($0, core: $1, node: 0) }
    #expect(numbers(6, hybrid) == [0, 2, 4, 5, 1, 3])
    #expect(!ThreadPlacement(of: 6, on: hybrid).hasNodes)
    let uneven = [(0, 0), (1, 0), (2, 0), (7, 1)].map { ProcessingUnit($0, core: $0, node: $1) }
    #expect(numbers(4, uneven) == [0, 1, 2, 7])
    #expect(numbers(2, uneven) == [0, 7])
    #expect(numbers(5, uneven) == [])
    #expect(numbers(1, []) == [])
  }

  private static func allowed() -> [Int] { ProcessingUnit.numbersOfThisThread().map { Int($0) } }

  @Test(.enabled(if: ProcessingUnit.here.count > 1))
  func `on several nodes every thread of a pool is bound, and its caller is free again when it stops`() throws {
    let here = ProcessingUnit.here
    let units = here.enumerated().map { ProcessingUnit($1.number, core: $1.number, node: $0 % 2) }
    let before = Self.allowed()
    let pool = try ThreadPool(counts: 2, on: units)
    let seen = Mutex([[Int]](repeating: [], count: 2))
    pool.run { thread in seen.withLock { $0[thread] = Self.allowed() } }
    #expect(seen.withLock { $0 } == [[units[0].number], [units[1].number]])
    // A pool that is made meanwhile has all units for its threads.
    let inner = try ThreadPool(counts: ThreadCounts(here.count + 1), on: units)
    let others = Mutex<[[Int]]>([])
    inner.run { thread in if thread > 0 { others.withLock { $0.append(Self.allowed()) } } }
    #expect(others.withLock { $0.allSatisfy { $0 == here.map(\.number) } })
    inner.stop()
    #expect(Self.allowed() == [units[0].number])
    pool.stop()
    #expect(Self.allowed() == before)
  }

  @Test(.enabled(if: ProcessingUnit.here.count > 1 && Set(ProcessingUnit.here.map(\.node)).count == 1))
  func `on one node the caller runs where the system wants`() throws {
    let before = Self.allowed()
    try withPool(2) { _ in #expect(Self.allowed() == before) }
  }

  @Test(arguments: [ByteCount.mebibytes(1), .mebibytes(40)])
  func `memory that its owner fills has no page before`(size: ByteCount) throws {
    let slab = try MemorySlab(bytes: size, for: "test", isFilledByOwner: true)
    func resident() -> Int {
      var pages = [UInt8](repeating: 0xFF, count: (slab.count + 4095) / 4096)
      #expect(mincore(slab.address, slab.count, &pages) == 0)
      return pages.count { $0 & 1 == 1 }
    }
    #expect(resident() == 0)
    slab.address.storeBytes(of: 1, as: UInt8.self)
    #expect(resident() > 0)
    withExtendedLifetime(slab) {}
  }
}
