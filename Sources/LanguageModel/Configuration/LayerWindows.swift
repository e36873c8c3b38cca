// SPDX-License-Identifier: Apache-2.0
internal import JSONText

/// Which layers attend to a sliding window, and how wide it is.
///
/// - Source: the keys as Hugging Face's configuration classes define them: `layer_types`, `sliding_window_pattern`
///   (a number n: every n-th layer is full; or letters, L for a window), `max_window_layers`, `attention_types`.
struct LayerWindows {
  private let windows: [Int?]

  subscript(index: Int) -> Int? { windows[index] }

  init(_ config: ConfigurationReader, recipe: Recipe, layerCount: Int) throws(ConfigurationError) {
    let none = [Int?](repeating: nil, count: layerCount)
    let keys = ["sliding_window", "attention_window_size", "window_size", "attention_chunk_size"]
    let limit = 0...ConfigurationReader.Limit.context
    guard let width = try config.integer(keys, in: limit), width > 0 else {
      windows = none
      return
    }
    let isOn = try config.flag("use_sliding_window") ?? !recipe.windowNeedsSwitch
    guard isOn else {
      windows = none
      return
    }
    let isWindowed = try Self.pattern(config, recipe: recipe, layerCount: layerCount)
    windows = isWindowed.map { $0 ? width : nil }
  }

  private static func pattern(
    _ config: ConfigurationReader, recipe: Recipe, layerCount: Int
  ) throws(ConfigurationError) -> [Bool] {
    if let types = try config.list("layer_types", atLeast: layerCount) {
      return types.prefix(layerCount).map { ["sliding_attention", "chunked_attention"].contains($0.stringValue) }
    }
    if let types = config.listIfAny("attention_types") {
      let expanded = try expand(types, in: config, layerCount: layerCount)
      return expanded.map { $0 == "local" }
    }
    if let list = try config.list("hybrid_layer_pattern", atLeast: layerCount) {
      return list.prefix(layerCount).map { $0.intValue == 1 }
    }
    if let letters = config.wordHereOrOutside(["sliding_window_pattern"]), !letters.isEmpty {
      let letters = Array(letters)
      return (0..<layerCount).map { letters[$0 % letters.count] == "L" }
    }
    if let first = try config.integer(["max_window_layers"], in: 0...ConfigurationReader.Limit.layers) {
      return (0..<layerCount).map { $0 >= first }
    }
    let keys = ["sliding_window_pattern", "global_attn_every_n_layers", "_sliding_window_pattern"]
    let period = try config.integer(keys, in: 1...ConfigurationReader.Limit.layers) ?? recipe.windowPattern
    guard let period else { return [Bool](repeating: true, count: layerCount) }
    return (0..<layerCount).map { ($0 + 1) % period != 0 }
  }

  /// GPT-Neo's `[[["global", "local"], 6]]`: kinds and how often they repeat.
  private static func expand(
    _ groups: [JSON], in config: ConfigurationReader, layerCount: Int
  ) throws(ConfigurationError) -> [String] {
    var kinds: [String] = []
    for group in groups {
      guard let parts = group.arrayValue, parts.count == 2, let words = parts[0].arrayValue else {
        throw config.wrongType("attention_types", group, expected: "a list of kinds and a count")
      }
      let repeats = try config.checked(parts[1], key: "attention_types", in: 1...ConfigurationReader.Limit.layers)
      guard words.count <= 64 else { throw config.wrongType("attention_types", group, expected: "a short list") }
      for _ in 0..<repeats where kinds.count < layerCount { kinds += words.map { $0.stringValue ?? "" } }
    }
    guard kinds.count >= layerCount else {
      throw .listTooShort(file: config.file, key: "attention_types", count: kinds.count, needed: layerCount)
    }
    return Array(kinds.prefix(layerCount))
  }
}
