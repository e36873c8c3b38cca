// SPDX-License-Identifier: Apache-2.0
import CKernels
package import CostModel
package import LanguageModel
internal import ModelFiles
package import Quantities

/// Single jobs of the forward pass on memory of its own, for a calibration that must time the code that runs.
///
/// Weights are walked through a region several times the last-level cache, so that each job meets cold memory as in a
/// model.
package final class KernelProbe {
  package let pool: ThreadPool
  package let kernels: KernelSet
  private let region: MemorySlab
  private let buffers: RuntimeBuffers
  private let products: Products
  private let widest: Int
  private let tokens: Int
  private var format = RuntimeFormat(.f32)
  private var offset = 0

  /// - Parameters:
  ///   - regionBytes: weights to walk through.
  ///   - widest: the largest row length and output count of a product with many tokens.
  /// - Throws: `LanguageRuntimeError.outOfMemory`.
  package init(
    kernels: KernelSet, pool: ThreadPool, regionBytes: ByteCount, widest: Int = 4096, tokens: Int = 512
  ) throws(LanguageRuntimeError) {
    self.kernels = kernels
    self.pool = pool
    self.widest = widest
    self.tokens = tokens
    region = try MemorySlab(bytes: regionBytes, for: "calibration weights", isFilledByOwner: true)
    buffers = try RuntimeBuffers(plan: Self.plan(widest: widest, tokens: tokens, threads: pool.count))
    products = Products(kernels: kernels, pool: pool, buffers: buffers, widest: widest)
    fill()
    for index in 0..<widest { buffers.floats(.hidden)[index] = Float(index % 17) / 17 - 0.5 }
  }

  private static func plan(widest: Int, tokens: Int, threads: Int) -> RuntimeMemoryPlan {
    let architecture = ModelArchitecture(
      modelType: "llama", vocabularySize: 1 << 18, hiddenSize: widest, contextLength: nil,
      layers: [
        LayerDescription(
          mixers: [
            .attention(Attention(heads: widest / 128, keyValueHeads: widest / 128, keyWidth: 128, valueWidth: 128))
          ],
          feedForward: FeedForward(width: widest))
      ], hasTiedEmbeddings: true)
    return RuntimeMemoryPlan(
      architecture: architecture, inventory: TensorInventory(tensors: []),
      workload: Workload(contextTokens: tokens, microBatch: tokens), threads: threads)
  }

  /// Takes the region's bytes as blocks of a format from now on. Rows of kept weights, which say themselves where they
  /// end, are written first: then products have the columns of such a row.
  package func use(_ format: RuntimeFormat) {
    let isFilled = format == self.format || !format.isKeptRow && !self.format.isKeptRow
    self.format = format
    guard !isFilled else { return }
    offset = 0
    if format.isKeptRow { fillWithRows() } else { fill() }
  }

  private func fillWithRows() {
    let tile = SyntheticTile.bytes(for: TileKey(format, columns: format.elementsPerBlock), seed: 1)
    pool.forEachChunk(of: (region.count + tile.count - 1) / tile.count, grain: 4) { _, tiles in
      tile.withUnsafeBytes { bytes in
        for start in tiles.map({ $0 * tile.count }) {
          let count = min(tile.count, region.count - start)
          UnsafeMutableRawBufferPointer(start: region.address + start, count: count)
            .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes.prefix(count)))
        }
      }
    }
  }

  /// Bytes from 0x2A to 0x39: read as floats or as half-precision scales, wherever a format has them, they are small
  /// normal numbers, so that one filling serves every format and no kernel meets a denormal.
  ///
  /// Threads fill huge pages by turns: on several nodes each job then draws on all of them.
  private func fill() {
    pool.withThreads(ofRows: 1) {
      let threads = pool.active
      pool.run { thread in
        for start in stride(from: thread * Self.hugePage, to: region.count, by: threads * Self.hugePage) {
          fill(start..<min(start + Self.hugePage, region.count / 4096 * 4096))
        }
      }
    }
  }
  private static let hugePage = 2 << 20

  private func fill(_ bytes: Range<Int>) {
    var state = UInt64(truncatingIfNeeded: bytes.lowerBound / 4096) &* 0x9E37_79B9_7F4A_7C15 | 1
    let words = (region.address + bytes.lowerBound).assumingMemoryBound(to: UInt64.self)
    for word in 0..<bytes.count / 8 {
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      words[word] = state & 0x0F0F_0F0F_0F0F_0F0F &+ 0x2A2A_2A2A_2A2A_2A2A
    }
  }

  /// Whether the kernels of this set multiply the format by code of its own.
  package func isDirect(_ format: RuntimeFormat) -> Bool { kernels.isDirect(format.kernelType) }

  package func rowBytes(columns: Int) -> Int {
    columns / format.elementsPerBlock * format.bytesPerBlock
  }

  /// One matrix-vector job of (rows, columns) on the next weights; the bytes that it read.
  package func matvec(rows: Int, columns: Int) -> Int {
    let matrix = next(rows: rows, columns: columns)
    pool.withThreads(ofRows: 1) {
      products.multiply(buffers.floats(.hidden), tokens: 1, by: [matrix], into: [buffers.floats(.logits)])
    }
    return rows * matrix.rowBytes
  }

  /// One product with `tokens` vectors; its operations.
  package func gemm(rows: Int, columns: Int, tokens: Int) -> Double {
    let matrix = next(rows: rows, columns: columns)
    pool.withThreads(ofRows: tokens) {
      products.multiply(buffers.floats(.hidden), tokens: tokens, by: [matrix], into: [buffers.floats(.gate)])
    }
    return 2 * Double(rows) * Double(columns) * Double(tokens)
  }

  /// A prompt's product of (rows, columns) with `tokens` vectors; its operations.
  ///
  /// Where products by tiles leave what the next one reads it is a gated network: gate and up have these rows together, and
  /// `down` half as many columns. Its activation is inside of the product, and its outputs are added.
  package func promptProduct(rows: Int, columns: Int, tokens: Int) -> Double {
    let (x, width) = (buffers.floats(.hidden), rows / 2)
    let (gate, up) = (next(rows: width, columns: columns), next(rows: width, columns: columns))
    let down = next(rows: columns, columns: width)
    let isGated = pool.withThreads(ofRows: tokens) {
      let tiles = products.multiplyGated(x, tokens: tokens, gate: gate, up: up, down: down, in: buffers.floats(.gate))
      if let tiles {
        products.multiplyTiles(tiles, tokens: tokens, by: down, into: buffers.floats(.projected), adds: true)
      }
      return tiles != nil
    }
    guard isGated else { return gemm(rows: rows, columns: columns, tokens: tokens) }
    return 2 * Double(3 * width) * Double(columns) * Double(tokens)
  }

  private func next(rows: Int, columns: Int) -> PreparedMatrix {
    let type = format.kernelType
    let rowBytes = self.rowBytes(columns: columns)
    let bytes = rows * rowBytes
    if offset + bytes > region.count { offset = 0 }
    // Rows of kept weights follow one another without a gap.
    defer { offset += format.isKeptRow ? bytes : (bytes + 63) / 64 * 64 }
    return PreparedMatrix(
      address: UnsafeRawPointer(region.address + offset), type: type, rows: rows, columns: columns, rowBytes: rowBytes,
      interleavedRows: kernels.interleaves(type) ? rows / 16 * 16 : 0)
  }

  /// Wide reads of the region, or of its first bytes, by every thread that decodes; the bytes read.
  @discardableResult
  package func read(atMost most: Int = .max) -> Int {
    let pages = min(region.count, most) / 4096
    pool.withThreads(pool.counts.decode) {
      pool.forEachChunk(of: pages, grain: 512) { _, range in
        _ = kernels.row.pointee.read(region.address + range.lowerBound * 4096, range.count * 4096)
      }
    }
    return pages * 4096
  }

  /// Multiply-adds in the registers of every thread of prompts; the operations. Integers, words and tiles give none
  /// where the set has none.
  package func multiplyAdds(of arithmetic: OperatorWork.Arithmetic, rounds: Int) -> Double {
    // The figure per call is the same for all threads; what they add up to is kept from being left out.
    let sums = buffers.floats(.logits)
    var operations = 0.0
    pool.withThreads(pool.counts.prefill) {
      pool.run { thread in
        var own = 0.0
        switch arithmetic {
        case .floats: sums[thread] = kernels.row.pointee.multiply_add_peak(Int64(rounds), &own)
        case .integers: sums[thread] = Float(ck_integer_peak(kernels.row, Int64(rounds), &own))
        case .words: sums[thread] = Float(ck_word_peak(kernels.row, Int64(rounds), &own))
        case .tiles: sums[thread] = kernels.row.pointee.tile_peak?(nil, Int64(rounds), &own) ?? 0
        }
        if thread == 0 { operations = own * Double(pool.counts.prefill) }
      }
    }
    return operations
  }

  /// An empty job: what starting and joining so many threads costs.
  package func barrier(threads: Int) { pool.withThreads(threads) { pool.run { _ in } } }
}
