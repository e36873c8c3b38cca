// SPDX-License-Identifier: Apache-2.0
import CKernels
internal import CostModel
internal import LanguageModel
internal import ModelFiles
internal import Quantities

/// A copy of a file's matrices in interleaved rows, beside the file itself for all else.
///
/// The copy takes what the file's bytes take, or the runtime's blocks of a packed tensor. Pages of the file are given
/// back as soon as they are copied, so that the weights are in memory once. Each thread copies the rows that it will
/// multiply when decoding, into pages that nobody has touched before.
///
/// Panels may be left for later: matrices are then multiplied as they lie in the file (`Products`) and become panels
/// between the first passes.
final class InterleavedWeights: WeightSource, @unchecked Sendable {
  let source: any WeightSource
  private let interleaving: Interleaving
  private let slab: MemorySlab
  private let offsets: [Int?]
  /// Of each tensor its copy, once it is made. Written while no pass runs.
  private let copies: UnsafeMutablePointer<UnsafeRawPointer?>
  /// The tensors whose copies are not made yet, in order.
  private var waiting: ArraySlice<Int>
  private var passes = 0

  /// The source itself where nothing is to be repacked, or where it is repacked already.
  ///
  /// - Parameter isDeferred: leaves what can be multiplied as it lies in the file for later (`beforePass`).
  /// - Throws: `LanguageRuntimeError.outOfMemory`.
  static func repacking(
    _ source: any WeightSource, of architecture: ModelArchitecture, for kernels: KernelSet, on pool: ThreadPool,
    isDeferred: Bool = false
  ) throws(LanguageRuntimeError) -> any WeightSource {
    let interleaving = Interleaving(source.inventory, architecture, kernels: kernels)
    let places = source.inventory.tensors.indices
    let isReady = places.contains { source.interleavedRows(ofTensor: $0) > 0 }
    let isPlain = interleaving.isEmpty && !places.contains { source.isPacked(tensor: $0) }
    return isPlain || isReady ? source : try InterleavedWeights(source, interleaving, pool, isDeferred: isDeferred)
  }

  private init(_ source: any WeightSource, _ interleaving: Interleaving, _ pool: ThreadPool, isDeferred: Bool)
    throws(LanguageRuntimeError)
  {
    self.source = source
    self.interleaving = interleaving
    var end = 0
    var offsets: [Int?] = []
    for (index, tensor) in source.inventory.tensors.enumerated() {
      let isCopied = interleaving.rows(ofTensor: index) > 0 || source.isPacked(tensor: index)
      offsets.append(isCopied ? end : nil)
      if isCopied { end += Int(tensor.runtimeBytes.aligned(to: Self.alignment).bytes) }
    }
    self.offsets = offsets
    slab = try MemorySlab(bytes: ByteCount(end), for: "repacked weights", isFilledByOwner: true)
    copies = .allocate(capacity: offsets.count)
    copies.initialize(repeating: nil, count: offsets.count)
    let copied = offsets.indices.filter { offsets[$0] != nil }
    waiting = copied.filter { isDeferred && !source.isPacked(tensor: $0) }[...]
    for index in copied where !isDeferred || source.isPacked(tensor: index) { copy(index, pool) }
    // What is looked up here and there, and what is small and lies between copied matrices.
    for (index, tensor) in source.inventory.tensors.enumerated() where offsets[index] == nil {
      guard tensor.role == .tokenEmbedding || tensor.isKeptAsFloats else { continue }
      source.mapSparsely(tensor: index)
      discard(index)
    }
  }

  deinit { copies.deallocate() }

  private static let alignment: Int64 = 32
  /// Bytes that a thread repacks before it gives their pages back.
  private static let pieceBytes = 1 << 20

  var path: String { source.path }
  var inventory: TensorInventory { source.inventory }
  var allocated: ByteCount { ByteCount(slab.count) }
  func prefetch(tensor index: Int) {}
  func interleavedRows(ofTensor index: Int) -> Int {
    copies[index] == nil ? source.interleavedRows(ofTensor: index) : interleaving.rows(ofTensor: index)
  }
  func isReordered(tensor index: Int) -> Bool { source.isReordered(tensor: index) }

  func bytes(ofTensor index: Int) -> UnsafeRawBufferPointer {
    guard let copy = copies[index] else { return source.bytes(ofTensor: index) }
    return UnsafeRawBufferPointer(start: copy, count: Int(source.inventory.tensors[index].runtimeBytes.bytes))
  }

  private func copy(_ index: Int, _ pool: ThreadPool) {
    guard let offset = offsets[index], let format = source.inventory.tensors[index].runtimeFormat else { return }
    source.prefetch(tensor: index)
    if source.isPacked(tensor: index) {
      unpack(index, format, to: slab.address + offset, pool)
    } else {
      repack(index, format, to: slab.address + offset, pool)
    }
    copies[index] = UnsafeRawPointer(slab.address + offset)
    // What one thread gave back another may have mapped again with its own neighbours, two MiB at once.
    discard(index)
  }

  private func discard(_ index: Int) {
    source.discard(tensor: index, bytes: 0..<source.bytes(ofTensor: index).count)
  }

  /// Each thread's own sixteens of rows, counted through the tensor.
  private func forEachOwnRun(
    of index: Int, on pool: ThreadPool, _ body: (_ pieces: Range<Int>, _ isInterleaved: Bool) -> Void
  ) {
    let tensor = source.inventory.tensors[index]
    let lists = interleaving.pieces(ofTensor: index, rows: Int(tensor.rows) * Int(tensor.copies))
    pool.forEachOwnRun(of: lists) { list, run in
      let start = lists[..<list].reduce(0, +)
      body(start + run.lowerBound..<start + run.upperBound, list < lists.count - 1)
    }
  }

  private func repack(_ index: Int, _ format: RuntimeFormat, to: UnsafeMutableRawPointer, _ pool: ThreadPool) {
    let bytes = source.bytes(ofTensor: index)
    guard let from = bytes.baseAddress else { return }
    let blocks = Int(source.inventory.tensors[index].columns) / format.elementsPerBlock
    let panelBytes = blocks * format.bytesPerBlock * Interleaving.panelRows
    let step = max(1, Self.pieceBytes / panelBytes)
    forEachOwnRun(of: index, on: pool) { panels, isInterleaved in
      guard isInterleaved else { return }
      for first in stride(from: panels.lowerBound, to: panels.upperBound, by: step) {
        let range = first..<min(first + step, panels.upperBound)
        for panel in range {
          ck_interleave(format.kernelType, from + panel * panelBytes, Int64(blocks), to + panel * panelBytes)
        }
        source.discard(tensor: index, bytes: range.lowerBound * panelBytes..<range.upperBound * panelBytes)
      }
    }
    let copied = interleaving.rows(ofTensor: index) / Interleaving.panelRows * panelBytes
    (to + copied).copyMemory(from: from + copied, byteCount: bytes.count - copied)
  }

  /// Rows of a packed tensor as blocks, sixteen at a time in panels, and behind them the order of its columns.
  private func unpack(_ index: Int, _ format: RuntimeFormat, to: UnsafeMutableRawPointer, _ pool: ThreadPool) {
    let tensor = source.inventory.tensors[index]
    let blocks = Int(tensor.columns) / format.elementsPerBlock
    let (step, rowBytes) = (Interleaving.panelRows, blocks * format.bytesPerBlock)
    let rows = Int(tensor.rows) * Int(tensor.copies)
    forEachOwnRun(of: index, on: pool) { pieces, isInterleaved in
      withUnsafeTemporaryAllocation(byteCount: step * rowBytes, alignment: 64) { panel in
        guard let place = panel.baseAddress else { return }
        for first in pieces.map({ $0 * step }) {
          let part = first..<min(first + step, rows)
          guard isInterleaved else {
            source.copyRows(part, ofTensor: index, to: to + first * rowBytes)
            continue
          }
          source.copyRows(part, ofTensor: index, to: place)
          ck_interleave(format.kernelType, place, Int64(blocks), to + first * rowBytes)
        }
      }
    }
    guard tensor.hasOrder else { return }
    let order = (to + rows * rowBytes).assumingMemoryBound(to: Int32.self)
    for (column, input) in source.inputOrder(ofTensor: index).enumerated() { order[column] = input }
  }
}

/// Panels that are made while a model runs.
extension InterleavedWeights {
  /// What products need to know of a tensor whose panels are not made yet; nil of others.
  func latePanels(ofTensor index: Int) -> (rows: Int, panels: LatePanels)? {
    guard copies[index] == nil, offsets[index] != nil else { return nil }
    return (interleaving.rows(ofTensor: index), LatePanels(tensor: UnsafePointer(copies + index), offset: 0))
  }

  /// Makes panels before a pass of so many tokens: none before the first one, half of all before each of the next two.
  /// Before a pass of many tokens all are made: their products take many panels at a time.
  func beforePass(ofRows rows: Int, on pool: ThreadPool) {
    guard !waiting.isEmpty else { return }
    let share = rows > Products.fewTokens ? slab.count : passes == 0 ? 0 : slab.count / Self.passesToPanels
    passes += 1
    var made = 0
    while made < share, let index = waiting.popFirst() {
      copy(index, pool)
      made += Int(source.inventory.tensors[index].runtimeBytes.bytes)
    }
  }

  /// In fewer passes nobody waits less in all, but longer for one token.
  static let passesToPanels = 2
}

/// Where the panels of a tensor's rows come to lie.
struct LatePanels: @unchecked Sendable {
  /// The tensor's panels; nil as long as its rows are in the file's order.
  let tensor: UnsafePointer<UnsafeRawPointer?>
  /// Bytes before those of the rows in question.
  var offset: Int

  var address: UnsafeRawPointer? { tensor.pointee.map { $0 + offset } }
}
