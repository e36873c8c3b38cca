// SPDX-License-Identifier: Apache-2.0
import CKernels
internal import CostModel
internal import LanguageModel
internal import ModelFiles
internal import Quantities

/// Which rows of an inventory's tensors the kernels want interleaved.
struct Interleaving: Sendable {
  static let panelRows = CK_PANEL_ROWS
  private let interleaved: [Int]
  private let matrices: [[Int]]

  /// - Parameters:
  ///   - architecture: nil leaves fused queries, keys and values as they are: where they part is not known.
  ///   - kernels: nil interleaves nothing.
  init(_ inventory: TensorInventory, _ architecture: ModelArchitecture?, kernels: KernelSet?) {
    let headsAreWhole = architecture.map(Self.headsAreWholePanels) ?? false
    let gated = Set(inventory.tensors.lazy.filter { $0.role == .feedForwardGate }.map(\.layer))
    matrices = inventory.tensors.map { tensor in
      Self.matrices(of: tensor, architecture, hasGate: gated.contains(tensor.layer))
    }
    let hasHead = inventory.tensors.contains { $0.role == .outputHead }
    interleaved = inventory.tensors.map { tensor in
      // The embedding is looked up row by row; only as the head of a tied model it is multiplied.
      guard let kernels, tensor.role != .tokenEmbedding || !hasHead else { return 0 }
      switch tensor.role {
      case .positionEmbedding: return 0
      case .attentionQKV where !headsAreWhole: return 0
      // Gate and up may be the halves of one matrix.
      case .feedForwardUp where tensor.rows % (2 * Int32(Self.panelRows)) != 0: return 0
      case .feedForwardGateUp where tensor.rows % (2 * Int32(Self.panelRows)) != 0: return 0
      default: return Self.rows(of: tensor, kernels)
      }
    }
  }

  private static func headsAreWholePanels(_ architecture: ModelArchitecture) -> Bool {
    architecture.layers.allSatisfy { layer in
      layer.mixers.allSatisfy { mixer in
        guard case .attention(let shape) = mixer else { return true }
        return shape.keyWidth % panelRows == 0 && shape.valueWidth % panelRows == 0
      }
    }
  }

  /// Whole panels; a stack of matrices only where none of its matrices begins inside a panel.
  private static func rows(of tensor: TensorDescription, _ kernels: KernelSet) -> Int {
    guard !tensor.isKeptAsFloats, let format = tensor.runtimeFormat, kernels.interleaves(format.kernelType),
      ck_panel_input(format.kernelType) == CK_INPUT_F32 || tensor.columns % 32 == 0,
      Int(tensor.columns) % format.elementsPerBlock == 0, tensor.copies == 1 || Int(tensor.rows) % panelRows == 0
    else { return 0 }
    return Int(tensor.rows) * Int(tensor.copies) / panelRows * panelRows
  }

  func rows(ofTensor index: Int) -> Int { interleaved[index] }

  /// The panels of each of the matrices that a tensor is multiplied as, one behind the other, and last the rows behind
  /// all panels in sixteens: the lists of pieces that threads share in a product.
  func pieces(ofTensor index: Int, rows: Int) -> [Int] {
    let whole = interleaved[index]
    var (start, panels) = (0, [Int]())
    for count in matrices[index] {
      panels.append((min(start + count, whole) - min(start, whole)) / Self.panelRows)
      start += count
    }
    return panels + [(rows - whole + Self.panelRows - 1) / Self.panelRows]
  }

  /// The rows of each of them: those of a stack, and the parts of a fused projection.
  private static func matrices(
    of tensor: TensorDescription, _ architecture: ModelArchitecture?, hasGate: Bool
  ) -> [Int] {
    let rows = Int(tensor.rows)
    let layer = architecture?.layers.dropFirst(max(0, Int(tensor.layer))).first
    switch (tensor.role, layer?.mixers.first) {
    case (.attentionQKV, .attention(let shape)?):
      let (keys, values) = (shape.keyValueHeads * shape.keyWidth, shape.keyValueHeads * shape.valueWidth)
      // What does not fit is refused when the model is put together.
      guard rows > keys + values else { return [rows] }
      return [rows - keys - values, keys, values]
    case (.feedForwardGateUp, _): return [rows / 2, rows - rows / 2]
    case (.feedForwardUp, _) where layer?.feedForward?.isGated == true && !hasGate: return [rows / 2, rows - rows / 2]
    default: return [Int](repeating: rows, count: Int(tensor.copies))
    }
  }

  var isEmpty: Bool { interleaved.allSatisfy { $0 == 0 } }
}

/// A copy of a file's matrices in interleaved rows, beside the file itself for all else.
///
/// The copy takes what the file's bytes take, or the runtime's blocks of a packed tensor. Pages of the file are given
/// back as soon as they are copied, so that the weights are in memory once. Each thread copies the rows that it will
/// multiply when decoding, into pages that nobody has touched before.
final class InterleavedWeights: WeightSource {
  let source: any WeightSource
  private let interleaving: Interleaving
  private let slab: MemorySlab
  private let offsets: [Int?]

  /// The source itself where nothing is to be repacked, or where it is repacked already.
  ///
  /// - Throws: `LanguageRuntimeError.outOfMemory`.
  static func repacking(
    _ source: any WeightSource, of architecture: ModelArchitecture, for kernels: KernelSet, on pool: ThreadPool
  ) throws(LanguageRuntimeError) -> any WeightSource {
    let interleaving = Interleaving(source.inventory, architecture, kernels: kernels)
    let places = source.inventory.tensors.indices
    let isReady = places.contains { source.interleavedRows(ofTensor: $0) > 0 }
    let isPlain = interleaving.isEmpty && !places.contains { source.isPacked(tensor: $0) }
    return isPlain || isReady ? source : try InterleavedWeights(source, interleaving, pool)
  }

  private init(_ source: any WeightSource, _ interleaving: Interleaving, _ pool: ThreadPool)
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
    for index in source.inventory.tensors.indices where offsets[index] != nil { copy(index, pool) }
  }

  private static let alignment: Int64 = 32
  /// Bytes that a thread repacks before it gives their pages back.
  private static let pieceBytes = 1 << 20

  var path: String { source.path }
  var inventory: TensorInventory { source.inventory }
  var allocated: ByteCount { ByteCount(slab.count) }
  func prefetch(tensor index: Int) {}
  func interleavedRows(ofTensor index: Int) -> Int { interleaving.rows(ofTensor: index) }
  func isReordered(tensor index: Int) -> Bool { source.isReordered(tensor: index) }

  func bytes(ofTensor index: Int) -> UnsafeRawBufferPointer {
    guard let offset = offsets[index] else { return source.bytes(ofTensor: index) }
    let count = Int(source.inventory.tensors[index].runtimeBytes.bytes)
    return UnsafeRawBufferPointer(start: slab.address + offset, count: count)
  }

  private func copy(_ index: Int, _ pool: ThreadPool) {
    guard let offset = offsets[index], let format = source.inventory.tensors[index].runtimeFormat else { return }
    source.prefetch(tensor: index)
    if source.isPacked(tensor: index) {
      unpack(index, format, to: slab.address + offset, pool)
    } else {
      repack(index, format, to: slab.address + offset, pool)
    }
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
