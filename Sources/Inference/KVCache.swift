// SPDX-License-Identifier: Apache-2.0
import CKernels
internal import CostModel
internal import LanguageModel
internal import Quantities

/// Keys and values of all layers and sequences.
///
/// - Shapes: per layer and sequence (KV head, position, width), rows stored in the cache's format: a head's rows lie one
///   behind the other, so that its attention reads them as one stream.
struct KVCache: @unchecked Sendable {
  /// Where one layer's rows lie.
  struct Layer {
    let keys: UnsafeMutableRawPointer
    let values: UnsafeMutableRawPointer
    let heads: Int
    /// Positions that each head has room for.
    let rows: Int
    /// Bytes of one head's row, and from one position to the next.
    let keyBytes: Int
    let valueBytes: Int

    func key(_ position: Int, head: Int) -> UnsafeMutableRawPointer { keys + (head * rows + position) * keyBytes }
    func value(_ position: Int, head: Int) -> UnsafeMutableRawPointer {
      values + (head * rows + position) * valueBytes
    }
  }

  let format: KeyValueFormat
  let contextTokens: Int
  private let layers: [Layer]

  init(architecture: ModelArchitecture, workload: Workload, buffers: RuntimeBuffers) {
    format = workload.keyValueFormat
    contextTokens = workload.contextTokens
    let rows = contextTokens * max(1, workload.sequences)
    var keyOffset = 0
    var valueOffset = 0
    var layers: [Layer] = []
    for mixer in architecture.layers.flatMap(\.mixers) {
      guard let shape = mixer.cache else { continue }
      let heads = mixer.cachedHeads
      let keyBytes = Int(format.bytes(elements: shape.keyElements / heads).bytes)
      let valueBytes = Int(format.bytes(elements: shape.valueElements / heads).bytes)
      let keys = buffers.slab(.keys).address + keyOffset
      // A latent vector is key and value at once.
      let values = valueBytes > 0 ? buffers.slab(.values).address + valueOffset : keys
      layers.append(
        Layer(
          keys: keys, values: values, heads: heads, rows: contextTokens, keyBytes: keyBytes,
          valueBytes: valueBytes > 0 ? valueBytes : keyBytes))
      keyOffset += heads * rows * keyBytes
      valueOffset += heads * rows * valueBytes
    }
    self.layers = layers
  }

  /// One sequence's rows of a layer.
  func layer(_ index: Int, sequence: Int) -> Layer {
    let layer = layers[index]
    return Layer(
      keys: layer.key(0, head: sequence * layer.heads), values: layer.value(0, head: sequence * layer.heads),
      heads: layer.heads, rows: layer.rows, keyBytes: layer.keyBytes, valueBytes: layer.valueBytes)
  }

  /// The first positions of a sequence: keys and values of each layer's heads.
  func rows(of sequence: Int, positions: Int) -> [UnsafeMutableRawBufferPointer] {
    layers.indices.flatMap { index in
      let place = layer(index, sequence: sequence)
      return (0..<place.heads).flatMap { head in
        let keys = UnsafeMutableRawBufferPointer(start: place.key(0, head: head), count: positions * place.keyBytes)
        // A latent vector is key and value at once.
        guard place.values != place.keys else { return [keys] }
        return [
          keys, UnsafeMutableRawBufferPointer(start: place.value(0, head: head), count: positions * place.valueBytes),
        ]
      }
    }
  }

  /// Gives a sequence the first positions of another.
  func copy(_ source: Int, to target: Int, positions: Int) {
    for (from, to) in zip(rows(of: source, positions: positions), rows(of: target, positions: positions)) {
      to.copyMemory(from: UnsafeRawBufferPointer(from))
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

  private func store(
    _ row: UnsafePointer<Float>, count: Int, at address: UnsafeMutableRawPointer, kernels: UnsafePointer<ck_kernels>
  ) {
    switch format {
    case .f16:
      kernels.pointee.encode_f16(row, address.assumingMemoryBound(to: UInt16.self), Int64(count))
    case .q8_0: kernels.pointee.encode_q8_0(row, address, Int64(count))
    default: address.copyMemory(from: row, byteCount: count * 4)
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

extension Mixer {
  /// Heads whose rows a cache keeps apart.
  fileprivate var cachedHeads: Int {
    guard case .attention(let shape) = self else { return 1 }
    return shape.keyValueHeads
  }
}
