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
    for case .attention(let attention) in architecture.layers.flatMap(\.mixers) {
      let keyBytes = Int(format.bytes(elements: attention.keyValueHeads * attention.keyWidth).bytes)
      let valueBytes = Int(format.bytes(elements: attention.keyValueHeads * attention.valueWidth).bytes)
      layers.append(
        Layer(
          keys: buffers.slab(.keys).address + keyOffset, values: buffers.slab(.values).address + valueOffset,
          keyPositionBytes: keyBytes, valuePositionBytes: valueBytes))
      sequenceBytes.append((keyBytes * contextTokens, valueBytes * contextTokens))
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
}
