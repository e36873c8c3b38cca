// SPDX-License-Identifier: Apache-2.0
package import LanguageModel
package import Quantities

/// A model cut down to some of its layers, for a measurement in seconds.
///
/// Layers repeat: a few of them, each kind by its share, with the embedding and the head stand for all. Their bytes
/// exceed the last-level cache several times, so that each meets cold memory.
package struct SampledModel: Sendable {
  package let architecture: ModelArchitecture
  package let inventory: TensorInventory
  /// Bytes of all layers over those of the chosen ones: what their time is multiplied with.
  package let scale: Double
  package let layerCount: Int
  /// The same ratio for the first `promptLayers` of the chosen ones: arithmetic over a prompt does not care for caches.
  package let promptScale: Double
  package let promptLayers: Int

  /// Nil when the model has no more layers than a sample needs.
  package init?(_ model: LanguageModelDescription, coldBytes: ByteCount) {
    let layers = model.architecture.layers.count
    var bytes = [Double](repeating: 0, count: layers)
    for tensor in model.inventory.tensors where tensor.layer >= 0 && Int(tensor.layer) < layers {
      bytes[Int(tensor.layer)] += tensor.bytes.magnitude
    }
    let total = bytes.reduce(0, +)
    guard total > 0 else { return nil }
    let wanted = Int((coldBytes.magnitude / (total / Double(layers))).rounded(.up))
    let count = max(Self.leastLayers, wanted)
    guard count < layers else { return nil }
    // Midpoints of equal stretches of the layers ordered by kind. In the model's own order a stride would meet the period
    // of a mixture that stores every third layer in more bits.
    let ordered = Self.layersByKind(model.inventory, bytes)
    let picked = (0..<count).map { ordered[(2 * $0 + 1) * layers / (2 * count)] }
    let first = [picked[count / 4], picked[3 * count / 4]]
    let chosen = first + picked.filter { !first.contains($0) }.sorted()
    layerCount = count
    scale = total / chosen.reduce(0) { $0 + bytes[$1] }
    promptLayers = Self.leastLayers
    promptScale = total / chosen.prefix(Self.leastLayers).reduce(0) { $0 + bytes[$1] }
    let sample = model.keepingLayers(chosen)
    architecture = sample.architecture
    inventory = sample.inventory
  }

  private static let leastLayers = 2

  /// The layers' indices, those whose tensors are stored alike side by side.
  private static func layersByKind(_ inventory: TensorInventory, _ bytes: [Double]) -> [Int] {
    let tensors = Dictionary(grouping: inventory.tensors.filter { $0.layer >= 0 }) { Int($0.layer) }
    let kinds = bytes.indices.map { layer in
      (tensors[layer] ?? []).map(\.format.name).joined(separator: " ")
    }
    return bytes.indices.sorted { (bytes[$0], kinds[$0], $0) < (bytes[$1], kinds[$1], $1) }
  }
}

extension TensorInventory {
  /// A name for this list of shapes and formats: 64 bits of FNV-1a, in hexadecimal digits.
  package var digest: String {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    func add(_ value: some BinaryInteger) {
      for shift in stride(from: 0, to: 64, by: 8) {
        hash = (hash ^ UInt64(truncatingIfNeeded: value >> shift) & 0xff) &* 0x100_0000_01b3
      }
    }
    for tensor in tensors {
      add(tensor.role.rawValue)
      add(tensor.layer)
      add(tensor.rows)
      add(tensor.columns)
      add(tensor.copies)
      if tensor.part != .whole { add(tensor.part.rawValue) }
      for byte in tensor.format.name.utf8 { add(byte) }
    }
    let digits = String(hash, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}
