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

/// Rows are put into panels by the thread that will multiply them.
@Suite struct OwnRowTests {
  /// Which thread had each panel of sixteen rows.
  private typealias Owners = [Place: UInt]
  private struct Place: Hashable {
    let tensor: Int
    let panel: Int
  }

  /// Weights that tell which thread has put which of their bytes into panels: that thread gives them back.
  private final class Witness: WeightSource {
    let path = "witnessed weights"
    let inventory: TensorInventory
    private let source: SyntheticWeights
    let given = Mutex<[(thread: UInt, tensor: Int, bytes: Range<Int>)]>([])

    init(_ inventory: TensorInventory, _ pool: ThreadPool) throws {
      self.inventory = inventory
      source = try SyntheticWeights(inventory: inventory, pool: pool)
    }

    func bytes(ofTensor index: Int) -> UnsafeRawBufferPointer { source.bytes(ofTensor: index) }
    func prefetch(tensor index: Int) {}
    func discard(tensor index: Int, bytes range: Range<Int>) {
      given.withLock { $0.append((UInt(pthread_self()), index, range)) }
    }
  }

  private static let threads = 4

  /// The projections of one layer, apart or in one matrix, in 8 bits, with rows for four threads each.
  private func inventory(isFused: Bool) -> TensorInventory {
    let rows = [(TensorRole.attentionQuery, 256), (.attentionKey, 128), (.attentionValue, 128)]
    let tensors = isFused ? [(TensorRole.attentionQKV, 512)] : rows
    return TensorInventory(
      tensors: tensors.map {
        TensorDescription($0.0, layer: 0, rows: $0.1, columns: 256, format: .block(.q8_0))
      })
  }

  private func rowBytes(_ weights: any WeightSource) -> Int {
    weights.bytes(ofTensor: 0).count / Int(weights.inventory.tensors[0].rows)
  }

  /// Query, key and value as the forward pass multiplies them.
  private func matrices(_ weights: any WeightSource) -> [(tensor: Int, first: Int, matrix: PreparedMatrix)] {
    let rowBytes = rowBytes(weights)
    let isFused = weights.inventory.tensors.count == 1
    let places = isFused ? [(0, 0, 256), (0, 256, 128), (0, 384, 128)] : [(0, 0, 256), (1, 0, 128), (2, 0, 128)]
    return places.compactMap { tensor, first, rows in
      guard let address = weights.bytes(ofTensor: tensor).baseAddress else { return nil }
      let matrix = PreparedMatrix(
        address: address + first * rowBytes, type: RuntimeFormat(.q8_0).kernelType, rows: rows, columns: 256,
        rowBytes: rowBytes, interleavedRows: min(rows, max(0, weights.interleavedRows(ofTensor: tensor) - first)))
      return (tensor, first, matrix)
    }
  }

  /// Who multiplies what when nobody is held up: threads wait for each other before each chunk.
  private func multiplying(
    _ parts: [(tensor: Int, first: Int, matrix: PreparedMatrix)], _ products: Products
  ) -> Owners {
    let owners = Mutex(Owners())
    let calls = Mutex([UInt: Int]())
    let output = UnsafeMutablePointer<Float>.allocate(capacity: 1)
    defer { output.deallocate() }
    let jobs = ProductPart.parts(parts.map(\.matrix), parts.map { _ in output })
    products.forEachPiece(of: jobs) { job, rows in
      let own = UInt(pthread_self())
      let place = parts.first { $0.matrix.address == job.matrix.address }
      owners.withLock { owners in
        for panel in rows.lowerBound / 16..<rows.upperBound / 16 {
          owners[Place(tensor: place?.tensor ?? -1, panel: (place?.first ?? 0) / 16 + panel)] = own
        }
      }
      let round = calls.withLock { calls in
        calls[own, default: 0] += 1
        return calls[own, default: 0]
      }
      while !calls.withLock({ $0.count == Self.threads && $0.values.allSatisfy { $0 >= round } }) { sched_yield() }
    }
    return owners.withLock { $0 }
  }

  @Test(arguments: [false, true])
  func `each thread multiplies the rows that it has put into panels, of every matrix of a job`(isFused: Bool) throws {
    let kernels = KernelSet.best
    try #require(kernels.interleaves(RuntimeFormat(.q8_0).kernelType) || !kernels.repacks)
    guard kernels.repacks else { return }
    // On a recorded machine with four nodes: what of its units is not here, threads are not bound to.
    let recorded = try ThreadPool(counts: ThreadCounts(Self.threads), on: PlacementTests.byTurns)
    defer { recorded.stop() }
    try check(recorded, kernels, isFused: isFused)
  }

  private func check(_ pool: ThreadPool, _ kernels: KernelSet, isFused: Bool) throws {
    let witness = try Witness(inventory(isFused: isFused), pool)
    let ready = try InterleavedWeights.repacking(witness, of: smallArchitecture(layers: 1), for: kernels, on: pool)
    let panelBytes = 16 * rowBytes(witness)
    var repacked = Owners()
    // Each gives back what it has repacked; a whole tensor is given back once more at the end.
    for (thread, tensor, bytes) in witness.given.withLock({ $0 })
    where bytes.count < witness.bytes(ofTensor: tensor).count {
      for panel in bytes.lowerBound / panelBytes..<bytes.upperBound / panelBytes {
        repacked[Place(tensor: tensor, panel: panel)] = thread
      }
    }
    let architecture = smallArchitecture(layers: 1)
    let plan = RuntimeMemoryPlan(
      architecture: architecture, inventory: witness.inventory, workload: Workload(contextTokens: 32),
      threads: Self.threads)
    let products = Products(
      kernels: kernels, pool: pool, buffers: try RuntimeBuffers(plan: plan), widest: 512)
    let multiplied = pool.withThreads(ofRows: 1) { multiplying(matrices(ready), products) }
    #expect(multiplied.count == 32)
    #expect(Set(multiplied.values).count == Self.threads)
    #expect(multiplied == repacked)
  }

  @Test func `a tensor's pieces are those of each matrix that it is multiplied as`() {
    let architecture = smallArchitecture(layers: 1)
    let tensors = [
      TensorDescription(.attentionQKV, layer: 0, rows: 512, columns: 256, format: .block(.q8_0)),
      TensorDescription(.feedForwardUp, layer: 0, rows: 1024, columns: 256, format: .block(.q8_0)),
      TensorDescription(.expertUp, layer: 0, rows: 64, columns: 256, copies: 3, format: .block(.q8_0)),
      TensorDescription(.outputHead, rows: 40, columns: 256, format: .block(.q8_0)),
      TensorDescription(.feedForwardDown, layer: 0, rows: 40, columns: 256, format: .block(.q8_k)),
    ]
    let set = KernelSet.best
    guard set.repacks else { return }
    let interleaving = Interleaving(TensorInventory(tensors: tensors), architecture, kernels: set)
    let pieces = tensors.indices.map {
      interleaving.pieces(ofTensor: $0, rows: Int(tensors[$0].rows) * Int(tensors[$0].copies))
    }
    // Four heads of 64 for queries and two for keys and values; gate and up in one; three experts; an end; no panels.
    #expect(pieces == [[16, 8, 8, 0], [32, 32, 0], [4, 4, 4, 0], [2, 1], [0, 3]])
  }

  @Test func `chunks are half of what is left each, within their bounds`() {
    func counts(_ size: ChunkSize, of pieces: Int) -> [Int] {
      (0..<size.count(of: pieces)).map { size.range($0, of: pieces).count }
    }
    #expect(counts(ChunkSize(least: 1), of: 44) == [22, 11, 5, 3, 1, 1, 1])
    #expect(counts(ChunkSize(least: 4), of: 44) == [22, 11, 5, 4, 2])
    #expect(counts(ChunkSize(least: 1, most: 8), of: 44) == [8, 8, 8, 8, 6, 3, 1, 1, 1])
    #expect(counts(ChunkSize(least: 20, most: 20), of: 44) == [20, 20, 4])
    #expect(counts(ChunkSize(least: 4), of: 3) == [3])
    #expect(counts(ChunkSize(least: 4), of: 0) == [] && counts(ChunkSize(least: 4, most: 4), of: 0) == [])
    let size = ChunkSize(least: 2)
    for pieces in 1...50 {
      #expect((0..<size.count(of: pieces)).flatMap { Array(size.range($0, of: pieces)) } == Array(0..<pieces))
    }
  }

  @Test(arguments: [true, false])
  func `lists cut by themselves do not depend on what else is in the job, those cut together are one list`(
    areApart: Bool
  ) {
    for threads in 1...5 {
      for size in [
        ChunkSize(least: 1, most: 1), ChunkSize(least: 3, most: 3), ChunkSize(least: 1, most: 3), ChunkSize(least: 4),
      ] {
        let lists = [7, 0, 16, 3, 0]
        let room = UnsafeMutableBufferPointer<PieceRuns.Run>
          .allocate(capacity: PieceRuns.count(lists: lists, threads: threads))
        defer { room.deallocate() }
        let runs = PieceRuns(lists: lists, size: size, threads: threads, areApart: areApart, in: room)
        var owners = [[Int?]](repeating: [], count: 5)
        for (list, count) in lists.enumerated() { owners[list] = [Int?](repeating: nil, count: count) }
        for thread in 0..<threads {
          for place in 0..<runs.chunks(thread) {
            let (list, pieces) = runs.chunk(place, ofThread: thread)
            #expect(!pieces.isEmpty)
            #expect(pieces.count <= size.most)
            for piece in pieces {
              #expect(owners[list][piece] == nil)
              owners[list][piece] = thread
            }
          }
        }
        func expected(_ count: Int) -> [Int?] {
          (0..<threads).flatMap { thread in
            ChunkShares.own(thread, of: count, among: threads).map { _ in Optional(thread) }
          }
        }
        #expect(areApart ? owners == lists.map(expected) : owners.flatMap { $0 } == expected(lists.reduce(0, +)))
      }
    }
  }
}
