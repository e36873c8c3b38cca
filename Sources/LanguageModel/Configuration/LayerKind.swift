// SPDX-License-Identifier: Apache-2.0
internal import JSONText

/// What a layer of a hybrid is made of.
enum LayerKind: Sendable {
  /// Attention, whatever its window.
  case attention
  /// A state-space mixer (Mamba).
  case stateSpace
  /// Linear attention (gated delta rule).
  case linearAttention
  /// A gated linear recurrent unit (Griffin).
  case recurrent
  /// A short convolution (LFM2).
  case convolution
  /// State space and attention in one layer (Zamba).
  case hybrid
  /// Feed-forward alone.
  case feedForward
  /// A mixture of experts alone.
  case experts

  private init?(word: String) {
    switch word {
    case "attention", "full_attention", "sliding_attention", "chunked_attention", "minimax_m3_sparse", "*":
      self = .attention
    case "mamba", "mamba2", "M": self = .stateSpace
    case "linear_attention", "kda_attention": self = .linearAttention
    case "recurrent": self = .recurrent
    case "conv": self = .convolution
    case "hybrid", "g": self = .hybrid
    case "mlp", "-": self = .feedForward
    case "moe", "E": self = .experts
    default: return nil
    }
  }

  /// The kind of every layer.
  ///
  /// - Source: `layer_types`, `layers_block_type` (one word each), `block_types` (a pattern that repeats),
  ///   `hybrid_override_pattern` (one letter each), `attn_layer_indices`, `attn_layer_period` and `_offset`,
  ///   `linear_attn_config` (layers counted from 1), `full_attention_interval`, as their model types define them.
  static func kinds(_ config: ConfigurationReader, layerCount: Int) throws(ConfigurationError) -> [LayerKind] {
    for key in ["layers_block_type", "layer_types"] {
      guard let list = try config.list(key, atLeast: layerCount) else { continue }
      return try list.prefix(layerCount).mapThrowing { (word) throws(ConfigurationError) in
        try kind(word.stringValue ?? "", key: key, config)
      }
    }
    if let pattern = config.listIfAny("block_types"), !pattern.isEmpty {
      let kinds = try pattern.mapThrowing { (word) throws(ConfigurationError) in
        try kind(word.stringValue ?? "", key: "block_types", config)
      }
      return (0..<layerCount).map { kinds[$0 % kinds.count] }
    }
    if let pattern = try config.word("hybrid_override_pattern") {
      return try letters(pattern, config, layerCount: layerCount)
    }
    return try placedAttention(config, layerCount: layerCount)
  }

  private static func kind(_ word: String, key: String, _ config: ConfigurationReader) throws(ConfigurationError)
    -> LayerKind
  {
    guard let kind = LayerKind(word: word) else {
      throw .unknownLayerKind(file: config.file, key: config.path(key), word: word)
    }
    return kind
  }

  private static func letters(
    _ pattern: String, _ config: ConfigurationReader, layerCount: Int
  ) throws(ConfigurationError) -> [LayerKind] {
    guard pattern.count >= layerCount else {
      throw .listTooShort(
        file: config.file, key: config.path("hybrid_override_pattern"), count: pattern.count, needed: layerCount)
    }
    return try pattern.prefix(layerCount).mapThrowing { (letter) throws(ConfigurationError) in
      try kind(String(letter), key: "hybrid_override_pattern", config)
    }
  }

  /// Patterns that say where attention stands; the rest is state space or linear attention.
  private static func placedAttention(
    _ config: ConfigurationReader, layerCount: Int
  ) throws(ConfigurationError) -> [LayerKind] {
    if let indices = config.listIfAny("attn_layer_indices") {
      let attention = Set(indices.compactMap(\.intValue))
      return (0..<layerCount).map { attention.contains($0) ? .attention : .stateSpace }
    }
    if let full = config.part("linear_attn_config")?.listIfAny("full_attn_layers") {
      let attention = Set(full.compactMap(\.intValue))
      return (0..<layerCount).map { attention.contains($0 + 1) ? .attention : .linearAttention }
    }
    if let indices = config.listIfAny("full_attn_idxs") {
      let attention = Set(indices.compactMap(\.intValue))
      return (0..<layerCount).map { attention.contains($0) ? .attention : .convolution }
    }
    let range = 1...ConfigurationReader.Limit.layers
    if let period = try config.integer(["full_attention_interval"], in: range) {
      return (0..<layerCount).map { ($0 + 1) % period == 0 ? .attention : .linearAttention }
    }
    if let period = try config.integer(["attn_layer_period"], in: range) {
      let offset = try config.integer(["attn_layer_offset"], in: 0...ConfigurationReader.Limit.layers) ?? 0
      return (0..<layerCount).map { $0 % period == offset ? .attention : .stateSpace }
    }
    return [LayerKind](repeating: .attention, count: layerCount)
  }
}
