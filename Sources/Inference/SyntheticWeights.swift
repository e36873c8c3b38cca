// SPDX-License-Identifier: Apache-2.0
import CKernels
import Glibc
package import LanguageModel
internal import ModelFiles
package import Quantities

/// Weights that nobody trained, of exactly a model's shapes and formats: what a live measurement runs on.
///
/// Blocks are valid and finite, with magnitudes near 1/√columns, so that activations neither vanish nor overflow. The
/// values of a tile repeat, but every tensor has memory of its own, so that caches are met as with real weights.
package final class SyntheticWeights: WeightSource {
  package let path = "synthetic weights"
  package let inventory: TensorInventory
  private let slab: MemorySlab
  private let offsets: [Int]
  private let interleaving: Interleaving

  /// - Parameter kernels: those that will multiply: blocks are made straight in the order that they read. Nil makes rows
  ///   as in a file.
  /// - Throws: `LanguageRuntimeError.unsupportedFormat` for a format without blocks, `.outOfMemory`.
  package init(
    inventory: TensorInventory, of architecture: ModelArchitecture? = nil, seed: UInt64 = 1, kernels: KernelSet? = nil,
    pool: ThreadPool
  ) throws(LanguageRuntimeError) {
    var offset = 0
    var offsets: [Int] = []
    for tensor in inventory.tensors {
      guard tensor.runtimeFormat != nil else {
        throw .unsupportedFormat(tensor: tensor.ggufName ?? "\(tensor.role)", format: tensor.format.name)
      }
      offsets.append(offset)
      offset += Int(tensor.runtimeBytes.aligned(to: 32).bytes)
    }
    self.inventory = inventory
    self.offsets = offsets
    interleaving = Interleaving(inventory, architecture, kernels: kernels)
    slab = try MemorySlab(bytes: ByteCount(offset), for: "synthetic weights", isFilledByOwner: true)
    fill(seed: seed, pool: pool)
  }

  package var allocated: ByteCount { ByteCount(slab.count) }

  package func bytes(ofTensor index: Int) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(
      start: slab.address + offsets[index], count: Int(inventory.tensors[index].runtimeBytes.bytes))
  }

  package func prefetch(tensor index: Int) {}

  package func interleavedRows(ofTensor index: Int) -> Int { interleaving.rows(ofTensor: index) }

  private func fill(seed: UInt64, pool: ThreadPool) {
    var tiles: [TileKey: [UInt8]] = [:]
    for (index, tensor) in inventory.tensors.enumerated() {
      for isInterleaved in interleavedRows(ofTensor: index) > 0 ? [false, true] : [false] {
        let key = TileKey(tensor, isInterleaved: isInterleaved)
        if tiles[key] == nil { tiles[key] = SyntheticTile.bytes(for: key, seed: seed) }
      }
    }
    for index in inventory.tensors.indices { fill(tensor: index, with: tiles, pool) }
  }

  /// Each thread fills the rows that it will multiply when decoding.
  private func fill(tensor index: Int, with tiles: [TileKey: [UInt8]], _ pool: ThreadPool) {
    let tensor = inventory.tensors[index]
    let start = slab.address + offsets[index]
    let rows = Int(tensor.rows) * Int(tensor.copies)
    let count = Int(tensor.runtimeBytes.bytes) - (tensor.hasOrder ? Int(tensor.columns) * 4 : 0)
    let step = count / max(1, rows) * Interleaving.panelRows
    let interleaved = step / Interleaving.panelRows * interleavedRows(ofTensor: index)
    let (panels, plain) = (TileKey(tensor, isInterleaved: true), TileKey(tensor, isInterleaved: false))
    let lists = interleaving.pieces(ofTensor: index, rows: rows)
    pool.forEachOwnRun(of: lists) { list, run in
      let first = lists[..<list].reduce(0, +)
      let bytes = (first + run.lowerBound) * step..<min((first + run.upperBound) * step, count)
      if list < lists.count - 1 {
        Self.repeatTile(tiles[panels], at: start, bytes)
      } else {
        let rest = bytes.lowerBound - interleaved..<bytes.upperBound - interleaved
        Self.repeatTile(tiles[plain], at: start + interleaved, rest)
      }
    }
    if tensor.hasOrder { fillOrder(start + count, columns: Int(tensor.columns)) }
  }

  /// Columns in large strides: a prime reaches each of them once.
  private func fillOrder(_ start: UnsafeMutableRawPointer, columns: Int) {
    let order = start.assumingMemoryBound(to: Int32.self)
    let stride = columns % 1013 == 0 ? 1 : 1013
    for column in 0..<columns { order[column] = Int32(column * stride % columns) }
  }

  /// Some bytes of those that are a tile again and again from `start` on.
  private static func repeatTile(_ tile: [UInt8]?, at start: UnsafeMutableRawPointer, _ bytes: Range<Int>) {
    tile?.withUnsafeBytes { tile in
      guard let base = tile.baseAddress else { return }
      var offset = bytes.lowerBound
      while offset < bytes.upperBound {
        let place = offset % tile.count
        let count = min(tile.count - place, bytes.upperBound - offset)
        memcpy(start + offset, base + place, count)
        offset += count
      }
    }
  }
}

/// What a tile depends on.
struct TileKey: Hashable {
  let format: RuntimeFormat
  let isVector: Bool
  /// Bits of the row length: the magnitude needs no more.
  let columnsLog2: Int
  let isInterleaved: Bool

  init(_ format: RuntimeFormat, columns: Int) {
    self.format = format
    (isVector, isInterleaved) = (false, false)
    columnsLog2 = Int.bitWidth - columns.leadingZeroBitCount
  }

  init(_ tensor: TensorDescription, isInterleaved: Bool) {
    self.isInterleaved = isInterleaved
    format = tensor.runtimeFormat ?? RuntimeFormat(.f32)
    isVector = tensor.isVector
    columnsLog2 = Int.bitWidth - Int(max(tensor.columns, 1)).leadingZeroBitCount
  }
}

/// Valid blocks of one format, from a seed.
enum SyntheticTile {
  /// About 1 MiB, a whole number of panels of one block's width.
  static func bytes(for key: TileKey, seed: UInt64) -> [UInt8] {
    var random = TileRandom(state: seed &+ UInt64(key.format.kernelType) &* 0x1000)
    let size = key.format.bytesPerBlock
    let panel = Interleaving.panelRows * size
    var bytes = [UInt8](repeating: 0, count: max(1, (1 << 20) / panel) * panel)
    // A norm's weight is near one; a matrix entry has the spread 1/√columns.
    let magnitude = key.isVector ? 1 : 1 / Float(1 << key.columnsLog2).squareRoot()
    for start in stride(from: 0, to: bytes.count, by: size) {
      fillBlock(&bytes, start, key, magnitude, &random)
    }
    return key.isInterleaved ? interleaved(bytes, key.format.kernelType, panel) : bytes
  }

  private static func interleaved(_ blocks: [UInt8], _ type: Int32, _ panel: Int) -> [UInt8] {
    var bytes = blocks
    blocks.withUnsafeBytes { from in
      bytes.withUnsafeMutableBytes { to in
        for start in stride(from: 0, to: from.count, by: panel) {
          ck_interleave(type, from.baseAddress.map { $0 + start }, 1, to.baseAddress.map { $0 + start })
        }
      }
    }
    return bytes
  }

  private static func fillBlock(
    _ bytes: inout [UInt8], _ start: Int, _ key: TileKey, _ magnitude: Float, _ random: inout TileRandom
  ) {
    if key.format.isKeptRow { return fillKeptRow(&bytes, start, key, magnitude, &random) }
    let format = BlockFormat(ggufType: UInt32(key.format.kernelType))
    switch format {
    case .f32: put(value(key, magnitude, &random).bitPattern, at: start, in: &bytes)
    case .f16: put(ck_float_to_half(value(key, magnitude, &random)), at: start, in: &bytes)
    case .bf16: put(UInt16(value(key, magnitude, &random).bitPattern >> 16), at: start, in: &bytes)
    default:
      for index in start..<start + key.format.bytesPerBlock { bytes[index] = random.byte() }
      for (offset, largestCode) in format.map(scales) ?? groupScale(&bytes, start, key.format) {
        put(ck_float_to_half(magnitude / largestCode), at: start + offset, in: &bytes)
      }
      for offset in keptValues(of: key.format) {
        put(ck_float_to_half(value(key, magnitude, &random)), at: start + offset, in: &bytes)
      }
      if format == .mxfp4 { bytes[start] = UInt8(clamping: 125 - key.columnsLog2 / 2) }
      if format == .q8_k { put((magnitude / 128).bitPattern, at: start, in: &bytes) }
      // iq1_m spreads its half over the top nibbles of four words: 0x2400 is 2^-6.
      if format == .iq1_m { spread(0x1400, at: start + 48, in: &bytes) }
    }
  }

  /// A row of as many kept weights as it has room for, spread by chance.
  private static func fillKeptRow(
    _ bytes: inout [UInt8], _ start: Int, _ key: TileKey, _ magnitude: Float, _ random: inout TileRandom
  ) {
    let columns = key.format.elementsPerBlock
    let isMask = !key.format.isKeptList
    let room = key.format.keptRoom
    let mask = start + key.format.bytesPerBlock - columns / 8
    for byte in start..<start + key.format.bytesPerBlock { bytes[byte] = 0 }
    var kept = 0
    for column in 0..<columns {
      let (left, wanted) = (columns - column, room - kept)
      guard wanted > 0, left == wanted || Int(random.byte()) * left < 256 * wanted else { continue }
      put(ck_float_to_half(value(key, magnitude, &random)), at: start + kept * 2, in: &bytes)
      if isMask {
        bytes[mask + column / 8] |= 1 << UInt8(column % 8)
      } else {
        put(UInt16(column), at: start + (room + kept) * 2, in: &bytes)
      }
      kept += 1
    }
  }

  private static func value(_ key: TileKey, _ magnitude: Float, _ random: inout TileRandom) -> Float {
    let unit = Float(random.byte()) / 128 - 0.998  // -0.998 ... 0.994: never exactly zero
    return key.isVector ? 1 + unit / 16 : unit * magnitude * 1.7
  }

  /// Where a block has halves that are weights.
  private static func keptValues(of format: RuntimeFormat) -> StrideTo<Int> {
    let isSparse = format == .sparse2of4 || format == .sparse4of8
    return stride(from: isSparse ? format.bytesPerBlock - 32 : 0, to: isSparse ? format.bytesPerBlock : 0, by: 2)
  }

  /// The scale of a block that no GGUF file holds; its zero point goes to the middle of the codes.
  private static func groupScale(
    _ bytes: inout [UInt8], _ start: Int, _ format: RuntimeFormat
  ) -> [(offset: Int, largestCode: Float)] {
    if RuntimeFormat.int4.contains(format) {
      bytes[start + 2] = 8
      return [(0, 8)]
    }
    if RuntimeFormat.uint8.contains(format) { bytes[start + 2] = 128 }
    switch format {
    case .normalFloat4, .float4: return [(0, 1)]
    case .sparse2of4, .sparse4of8: return []
    // 256 times the scale of values that reach 480.
    case .float8: return [(0, 480 / 256)]
    default: return [(0, 128)]
    }
  }

  /// Offsets of the half-precision scales (and minima) of a block, and the code range that each multiplies.
  private static func scales(of format: BlockFormat) -> [(offset: Int, largestCode: Float)] {
    switch format {
    case .q4_0: [(0, 8)]
    case .q4_1: [(0, 8), (2, -1)]
    case .q5_0: [(0, 16)]
    case .q5_1: [(0, 16), (2, -1)]
    case .q8_0: [(0, 128)]
    case .q8_1: [(0, 128), (2, 128)]
    case .iq4_nl: [(0, 128)]
    case .q2_k: [(80, 24), (82, 16)]
    case .q3_k: [(108, 128)]
    case .q4_k: [(0, 512), (2, 64)]
    case .q5_k: [(0, 1024), (2, 64)]
    case .q6_k: [(208, 4096)]
    case .tq1_0: [(52, 1)]
    case .tq2_0: [(64, 1)]
    case .iq2_xxs, .iq2_xs, .iq2_s: [(0, 100)]
    case .iq3_xxs: [(0, 256)]
    case .iq3_s: [(0, 256)]
    case .iq1_s: [(0, 16)]
    case .iq4_xs: [(0, 4096)]
    default: []
    }
  }

  private static func put<Word: FixedWidthInteger>(_ word: Word, at offset: Int, in bytes: inout [UInt8]) {
    for index in 0..<Word.bitWidth / 8 { bytes[offset + index] = UInt8(truncatingIfNeeded: word >> (8 * index)) }
  }

  private static func spread(_ half: UInt16, at offset: Int, in bytes: inout [UInt8]) {
    for word in 0..<4 {
      let nibble = UInt8(half >> (4 * word) & 15)
      bytes[offset + 2 * word + 1] = bytes[offset + 2 * word + 1] & 0x0F | nibble << 4
    }
  }
}

/// SplitMix64 (Steele, Lea and Flood 2014), a byte at a time.
private struct TileRandom {
  var state: UInt64
  private var buffer: UInt64 = 0
  private var left = 0

  init(state: UInt64) { self.state = state }

  mutating func byte() -> UInt8 {
    if left == 0 {
      state &+= 0x9E37_79B9_7F4A_7C15
      var mixed = state
      mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
      mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
      buffer = mixed ^ (mixed >> 31)
      left = 8
    }
    left -= 1
    defer { buffer >>= 8 }
    return UInt8(truncatingIfNeeded: buffer)
  }
}
