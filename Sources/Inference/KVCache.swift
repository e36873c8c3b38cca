// SPDX-License-Identifier: Apache-2.0
import CKernels
internal import CostModel
internal import LanguageModel

/// Keys and values of all layers and sequences.
///
/// - Shapes: per layer and sequence (KV head, position, width), rows stored in the cache's format: a head's rows lie one
///   behind the other, so that its attention reads them as one stream. Layers with a window begin at a position of their
///   own (`KVCache+Windows`).
final class KVCache: @unchecked Sendable {
  /// Where one layer's rows of one sequence lie.
  struct Layer {
    let keys: UnsafeMutableRawPointer
    let values: UnsafeMutableRawPointer
    let heads: Int
    /// Positions that each head has room for, and the one of the first row.
    let rows: Int
    let first: Int
    /// Bytes of one head's row, and from one position to the next.
    let keyBytes: Int
    let valueBytes: Int

    func key(_ position: Int, head: Int) -> UnsafeMutableRawPointer {
      keys + (head * rows + position - first) * keyBytes
    }
    func value(_ position: Int, head: Int) -> UnsafeMutableRawPointer {
      values + (head * rows + position - first) * valueBytes
    }
  }

  /// Keys or values of one head: the rows of positions that follow each other.
  struct Track {
    let layer: Int
    let isKeys: Bool
    let rows: UnsafeMutableRawPointer
    let rowBytes: Int
  }

  let format: KeyValueFormat
  let layout: KeyValueLayout
  private let keys: [UnsafeMutableRawPointer]
  private let values: [UnsafeMutableRawPointer]
  private let firsts: FirstPositions

  init(format: KeyValueFormat, buffers: RuntimeBuffers) {
    self.format = format
    layout = buffers.plan.cache
    var keyOffset = 0
    var valueOffset = 0
    var (keys, values): ([UnsafeMutableRawPointer], [UnsafeMutableRawPointer]) = ([], [])
    for layer in layout.layers {
      keys.append(buffers.slab(.keys).address + keyOffset)
      // A latent vector is key and value at once.
      values.append(layer.valueBytes > 0 ? buffers.slab(.values).address + valueOffset : keys[keys.count - 1])
      keyOffset += layer.heads * layer.rows * layout.sequences * layer.keyBytes
      valueOffset += layer.heads * layer.rows * layout.sequences * layer.valueBytes
    }
    (self.keys, self.values) = (keys, values)
    firsts = FirstPositions(count: layout.layers.count * layout.sequences)
  }

  /// One sequence's rows of a layer.
  func layer(_ index: Int, sequence: Int) -> Layer {
    let layer = layout.layers[index]
    let valueBytes = layer.valueBytes > 0 ? layer.valueBytes : layer.keyBytes
    let row = sequence * layer.heads * layer.rows
    return Layer(
      keys: keys[index] + row * layer.keyBytes, values: values[index] + row * valueBytes, heads: layer.heads,
      rows: layer.rows, first: first(index, sequence), keyBytes: layer.keyBytes, valueBytes: valueBytes)
  }

  /// The position of a layer's first row.
  func first(_ layer: Int, _ sequence: Int) -> Int { firsts.base[sequence * layout.layers.count + layer] }

  /// Between passes only.
  func set(first: Int, _ layer: Int, _ sequence: Int) { firsts.base[sequence * layout.layers.count + layer] = first }

  /// A layer's heads in one sequence.
  func tracks(_ index: Int, sequence: Int) -> [Track] {
    let place = layer(index, sequence: sequence)
    return (0..<place.heads).flatMap { head in
      let keys = Track(layer: index, isKeys: true, rows: place.key(place.first, head: head), rowBytes: place.keyBytes)
      guard place.values != place.keys else { return [keys] }
      return [
        keys,
        Track(layer: index, isKeys: false, rows: place.value(place.first, head: head), rowBytes: place.valueBytes),
      ]
    }
  }

  /// All heads of all layers of one sequence.
  func tracks(of sequence: Int) -> [Track] { layout.layers.indices.flatMap { tracks($0, sequence: sequence) } }

  /// Gives a sequence the first positions of another.
  ///
  /// - Precondition: the source can go back to them (`canGoBack`).
  func copy(_ source: Int, to target: Int, positions: Int) {
    for layer in layout.layers.indices { set(first: min(first(layer, source), positions), layer, target) }
    for (from, to) in zip(tracks(of: source), tracks(of: target)) {
      to.rows.copyMemory(from: from.rows, byteCount: (positions - first(to.layer, target)) * to.rowBytes)
    }
  }

  /// Stores the heads of one token's keys and values in the cache's format.
  ///
  /// - Shapes: keys and values (KV head, width). A latent vector is stored as the key alone.
  func store(
    keys: UnsafePointer<Float>, values: UnsafePointer<Float>?, width: Int, at position: Int, of layer: Layer,
    kernels: UnsafePointer<ck_kernels>
  ) {
    for head in 0..<layer.heads {
      store(keys + head * width, count: width, at: layer.key(position, head: head), kernels: kernels)
      guard let values else { continue }
      store(values + head * width, count: width, at: layer.value(position, head: head), kernels: kernels)
    }
  }

  /// Stores one row in the cache's format.
  func store(
    _ row: UnsafePointer<Float>, count: Int, at address: UnsafeMutableRawPointer, kernels: UnsafePointer<ck_kernels>
  ) {
    switch format {
    case .f16:
      kernels.pointee.encode_f16(row, address.assumingMemoryBound(to: UInt16.self), Int64(count))
    case .q8_0: kernels.pointee.encode_q8_0(row, address, Int64(count))
    default: address.copyMemory(from: row, byteCount: count * 4)
    }
  }

  /// A stored row as floats.
  func load(
    _ address: UnsafeRawPointer, count: Int, into row: UnsafeMutablePointer<Float>, kernels: UnsafePointer<ck_kernels>
  ) {
    switch format {
    case .f16: ck_decoder_of(kernels, Int32(CK_F16.rawValue))?(address, row, Int64(count))
    case .q8_0: ck_decoder_of(kernels, Int32(CK_Q8_0.rawValue))?(address, row, Int64(count))
    default: UnsafeMutableRawPointer(row).copyMemory(from: address, byteCount: count * 4)
    }
  }

  /// The formats that the runtime keeps; estimates know more.
  static let runnable: Set<KeyValueFormat> = [.f32, .f16, .q8_0]

  /// Whether the runtime keeps this model's heads in a format: blocks of 8 bits need heads of whole blocks.
  static func runs(_ format: KeyValueFormat, _ architecture: ModelArchitecture) -> Bool {
    guard runnable.contains(format), format == .q8_0 else { return runnable.contains(format) }
    return architecture.layers.flatMap(\.mixers).allSatisfy { mixer in
      switch mixer {
      case .attention(let shape): shape.keyWidth % 32 == 0
      case .latentAttention(let shape): (shape.keyValueRank + shape.ropeWidth) % 32 == 0
      case .recurrent: false
      }
    }
  }
}

/// Of each sequence and layer the position of the first row.
private final class FirstPositions: @unchecked Sendable {
  let base: UnsafeMutablePointer<Int>

  init(count: Int) {
    base = .allocate(capacity: count)
    base.initialize(repeating: 0, count: count)
  }

  deinit { base.deallocate() }
}
