// SPDX-License-Identifier: Apache-2.0
internal import LanguageModel

/// What recipes ask about a model as a whole.
struct MixtureFacts: Sendable, Equatable {
  var layers: Int
  /// Routed experts of a layer; 0 or 1 for a dense model.
  var experts: Int
  /// Query heads per key-value head in the first layer; 0 when that layer has no attention.
  var queriesPerKeyValue: Int
  var isFalcon: Bool
  /// llama.cpp's model type "70B", whose value matrices are small and get more bits.
  var is70B: Bool
  /// The output head reads the embedding table, which is then stored as an output head would be.
  var isTied: Bool
  /// How many tensors count as values.
  var valueTensors: Int

  init(_ inventory: TensorInventory, _ architecture: ModelArchitecture) {
    layers = architecture.layers.count
    experts = architecture.layers.reduce(0) { max($0, $1.feedForward?.experts ?? 0) }
    queriesPerKeyValue = Self.queriesPerKeyValue(architecture)
    isFalcon = architecture.modelType == "falcon" || architecture.modelType.hasPrefix("RefinedWeb")
    is70B = Self.is70B(architecture, queriesPerKeyValue)
    isTied = !inventory.tensors.contains { $0.role == .outputHead }
    valueTensors = inventory.tensors.reduce(0) { $0 + (TensorCategory($1) == .value ? 1 : 0) }
  }

  /// Model types whose files list the key-value heads layer by layer, so that a first layer without attention counts
  /// as having none; others state one number for all layers.
  private static let listsHeadsByLayer: Set<String> = [
    "jamba", "granitemoehybrid", "nemotron_h", "lfm2", "lfm2_moe", "plamo2", "bamba",
  ]

  private static func queriesPerKeyValue(_ architecture: ModelArchitecture) -> Int {
    let candidates =
      listsHeadsByLayer.contains(architecture.modelType) ? architecture.layers.prefix(1) : architecture.layers[...]
    for layer in candidates {
      for mixer in layer.mixers {
        switch mixer {
        case .attention(let attention): return attention.heads / max(attention.keyValueHeads, 1)
        // Files of such models state one key-value head: the latent vector that all queries share.
        case .latentAttention(let attention): return attention.heads
        case .recurrent: continue
        }
      }
    }
    return 0
  }

  /// - Source: llama.cpp's size names: 80 layers of type llama (with grouped queries; without, it is "65B"), qwen2 or
  ///   deci.
  private static func is70B(_ architecture: ModelArchitecture, _ queriesPerKeyValue: Int) -> Bool {
    guard architecture.layers.count == 80 else { return false }
    switch architecture.modelType {
    case "llama", "mistral": return queriesPerKeyValue > 1
    case "qwen2", "nemotron-nas", "deci": return true
    default: return false
    }
  }
}
