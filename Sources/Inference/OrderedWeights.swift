// SPDX-License-Identifier: Apache-2.0
import Glibc
internal import LanguageModel
internal import ModelFiles
internal import Quantities

/// A checkpoint whose tensors lie in another order than the forward pass reads, with copies of these.
///
/// A copy takes what the file's tensor takes, whose pages are given back; tensors that are split stand at their place
/// and behind the others.
final class OrderedWeights: WeightSource {
  private struct Copy {
    let order: TensorOrder
    let slab: MemorySlab
  }

  let source: any WeightSource
  let inventory: TensorInventory
  private let copies: [Int: Copy]

  /// The source itself where its order is the pass's own: always for GGUF files and for weights without a file.
  ///
  /// - Throws: `LanguageRuntimeError.unsupportedFormat` for a tensor of blocks, `.wrongShape`, `.outOfMemory`.
  static func ordering(
    _ source: any WeightSource, of architecture: ModelArchitecture, on pool: ThreadPool
  ) throws(LanguageRuntimeError) -> any WeightSource {
    guard !source.inventory.fileNames.isEmpty else { return source }
    // Packed matrices are unpacked in the pass's own order.
    let orders = source.inventory.tensors.enumerated().map { index, tensor in
      source.isPacked(tensor: index) ? [] : TensorOrder.orders(of: tensor, in: architecture)
    }
    return orders.allSatisfy(\.isEmpty) ? source : try OrderedWeights(source, orders, pool)
  }

  private init(
    _ source: any WeightSource, _ orders: [[TensorOrder]], _ pool: ThreadPool
  ) throws(LanguageRuntimeError) {
    self.source = source
    var inventory = source.inventory
    var copies: [Int: Copy] = [:]
    for (index, orders) in orders.enumerated() where !orders.isEmpty {
      source.prefetch(tensor: index)
      for (part, order) in orders.enumerated() {
        let place = part == 0 ? index : inventory.tensors.count
        let copy = try Self.copy(index, order, of: source, pool)
        if part == 0 {
          inventory.tensors[index] = order.tensor
        } else {
          inventory.tensors.append(order.tensor)
          inventory.fileNames.append(source.inventory.fileNames[index])
        }
        copies[place] = copy
      }
      source.discard(tensor: index, bytes: 0..<source.bytes(ofTensor: index).count)
    }
    self.inventory = inventory
    self.copies = copies
  }

  private static func copy(
    _ index: Int, _ order: TensorOrder, of source: any WeightSource, _ pool: ThreadPool
  ) throws(LanguageRuntimeError) -> Copy {
    let stored = source.inventory.tensors[index]
    let name = source.inventory.fileNames[index]
    let bytes = source.bytes(ofTensor: index)
    guard case .block(let format) = stored.format, format.elementsPerBlock == 1, let from = bytes.baseAddress else {
      throw .unsupportedFormat(tensor: name, format: stored.format.name)
    }
    let width = format.bytesPerBlock
    // A configuration that does not fit its file must not make us read beside it.
    guard order.pieces.allSatisfy({ $0.reach <= Double(bytes.count / width) }) else {
      let tensor = order.tensor
      throw .wrongShape(
        tensor: name, expected: "\(tensor.copies) × \(tensor.rows) × \(tensor.columns)",
        found: "\(stored.copies) × \(stored.rows) × \(stored.columns)")
    }
    let slab = try MemorySlab(bytes: order.tensor.bytes, for: "reordered weights", isFilledByOwner: true)
    var to = slab.address
    for piece in order.pieces {
      switch width {
      case 2: fill(to, from, piece, UInt16.self, pool)
      default: fill(to, from, piece, UInt32.self, pool)
      }
      to += piece.runs * piece.columns.count * width
    }
    return Copy(order: order, slab: slab)
  }

  private static func fill<Element: BitwiseCopyable & Sendable>(
    _ to: UnsafeMutableRawPointer, _ from: UnsafeRawPointer, _ piece: TensorOrder.Piece, _ type: Element.Type,
    _ pool: ThreadPool
  ) {
    let size = MemoryLayout<Element>.stride
    let columns = piece.columns
    pool.forEachChunk(of: piece.runs, grain: max(1, 65_536 / max(1, columns.count))) { _, runs in
      for run in runs {
        let first = from + piece.start(ofRun: run) * size
        let out = to + run * columns.count * size
        if columns.stride == 1 {
          out.copyMemory(from: first, byteCount: columns.count * size)
        } else {
          for k in 0..<columns.count {
            let element = first.loadUnaligned(fromByteOffset: k * columns.stride * size, as: type)
            out.storeBytes(of: element, toByteOffset: k * size, as: type)
          }
        }
      }
    }
  }

  var path: String { source.path }

  func bytes(ofTensor index: Int) -> UnsafeRawBufferPointer {
    guard let copy = copies[index] else { return source.bytes(ofTensor: index) }
    return UnsafeRawBufferPointer(start: copy.slab.address, count: Int(copy.order.tensor.bytes.bytes))
  }

  func prefetch(tensor index: Int) {
    if copies[index] == nil { source.prefetch(tensor: index) }
  }

  func mapSparsely(tensor index: Int) {
    if copies[index] == nil { source.mapSparsely(tensor: index) }
  }

  func discard(tensor index: Int, bytes range: Range<Int>) {
    guard let copy = copies[index] else { return source.discard(tensor: index, bytes: range) }
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    let (start, end) = ((range.lowerBound + page - 1) / page * page, range.upperBound / page * page)
    if start < end { _ = madvise(copy.slab.address + start, end - start, MADV_DONTNEED) }
  }

  func interleavedRows(ofTensor index: Int) -> Int {
    copies[index] == nil ? source.interleavedRows(ofTensor: index) : 0
  }
  func isReordered(tensor index: Int) -> Bool { copies[index] != nil }
  func isPacked(tensor index: Int) -> Bool { copies[index] == nil && source.isPacked(tensor: index) }
  func copyRows(_ rows: Range<Int>, ofTensor index: Int, to blocks: UnsafeMutableRawPointer) {
    if copies[index] == nil { source.copyRows(rows, ofTensor: index, to: blocks) }
  }
  func inputOrder(ofTensor index: Int) -> [Int32] { copies[index] == nil ? source.inputOrder(ofTensor: index) : [] }
}

extension TensorOrder.Piece {
  /// Elements of the stored tensor up to behind the last one that the piece reads; never too large to count.
  var reach: Double {
    var last = Double(offset)
    for walk in [copies, groups, rows, columns] { last += Double(max(0, walk.count - 1)) * Double(walk.stride) }
    return last + 1
  }
}
