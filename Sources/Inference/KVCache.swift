// SPDX-License-Identifier: Apache-2.0
import CKernels
internal import CostModel
internal import LanguageModel
internal import Quantities

/// Keys and values of all layers and sequences.
///
/// - Shapes: per layer and sequence (position, KV head, width), rows stored in the cache's format.
struct KVCache: @unchecked Sendable {
  /// Where one layer's rows lie.
  struct Layer {
    let keys: UnsafeMutableRawPointer
    let values: UnsafeMutableRawPointer
    /// Bytes between positions, and between the heads of one position.
    let keyPositionBytes: Int
    let valuePositionBytes: Int
  }

  let format: KeyValueFormat
  let contextTokens: Int
  private let layers: [Layer]
  private let sequenceBytes: [(keys: Int, values: Int)]

  init(architecture: ModelArchitecture, workload: Workload, buffers: RuntimeBuffers) {
    format = workload.keyValueFormat
    contextTokens = workload.contextTokens
    let sequences = max(1, workload.sequences)
    var keyOffset = 0
    var valueOffset = 0
    var layers: [Layer] = []
    var sequenceBytes: [(keys: Int, values: Int)] = []
    for mixer in architecture.layers.flatMap(\.mixers) {
      guard let shape = mixer.cache else { continue }
      let keyBytes = Int(format.bytes(elements: shape.keyElements).bytes)
      let valueBytes = Int(format.bytes(elements: shape.valueElements).bytes)
      let keys = buffers.slab(.keys).address + keyOffset
      // A latent vector is key and value at once.
      let values = valueBytes > 0 ? buffers.slab(.values).address + valueOffset : keys
      layers.append(
        Layer(
          keys: keys, values: values, keyPositionBytes: keyBytes,
          valuePositionBytes: valueBytes > 0 ? valueBytes : keyBytes))
      sequenceBytes.append((keyBytes * contextTokens, (valueBytes > 0 ? valueBytes : keyBytes) * contextTokens))
      keyOffset += keyBytes * contextTokens * sequences
      valueOffset += valueBytes * contextTokens * sequences
    }
    self.layers = layers
    self.sequenceBytes = sequenceBytes
  }

  /// One sequence's rows of a layer.
  func layer(_ index: Int, sequence: Int) -> Layer {
    let layer = layers[index]
    return Layer(
      keys: layer.keys + sequence * sequenceBytes[index].keys,
      values: layer.values + sequence * sequenceBytes[index].values,
      keyPositionBytes: layer.keyPositionBytes, valuePositionBytes: layer.valuePositionBytes)
  }

  /// The first positions of a sequence: keys and values of each layer.
  func rows(of sequence: Int, positions: Int) -> [UnsafeMutableRawBufferPointer] {
    layers.indices.flatMap { index in
      let place = layer(index, sequence: sequence)
      let keys = UnsafeMutableRawBufferPointer(start: place.keys, count: positions * place.keyPositionBytes)
      // A latent vector is key and value at once.
      guard place.values != place.keys else { return [keys] }
      return [keys, UnsafeMutableRawBufferPointer(start: place.values, count: positions * place.valuePositionBytes)]
    }
  }

  /// Gives a sequence the first positions of another.
  func copy(_ source: Int, to target: Int, positions: Int) {
    for (from, to) in zip(rows(of: source, positions: positions), rows(of: target, positions: positions)) {
      to.copyMemory(from: UnsafeRawBufferPointer(from))
    }
  }

  /// Stores `count` elements of 32 bits in the cache's format.
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
