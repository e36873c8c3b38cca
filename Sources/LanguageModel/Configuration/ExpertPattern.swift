// SPDX-License-Identifier: Apache-2.0
internal import JSONText

/// The sizes of a mixture of experts, and which layers have one.
struct ExpertPattern {
  var experts: Int
  var activeExperts: Int
  var expertWidth: Int
  var sharedWidth: Int
  private let isExpertLayer: [Bool]

  func contains(_ index: Int) -> Bool { isExpertLayer[index] }

  /// Nil for a dense model (no experts, or one).
  init?(
    _ config: ConfigurationReader, recipe: Recipe, layerCount: Int, denseWidth: Int?
  ) throws(ConfigurationError) {
    let source = config.part("ffn_config") ?? config
    let countKeys = ["num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"]
    let range = 0...ConfigurationReader.Limit.count
    guard let experts = try source.integerOrFirst(countKeys, in: range), experts > 1 else { return nil }
    if try config.flag("enable_moe_block") == false { return nil }
    self.experts = experts
    let activeKeys = [
      "num_experts_per_tok", "num_experts_per_token", "experts_per_token", "moe_k", "moe_top_k", "moe_topk",
      "top_k_experts",
      "num_selected_experts",
    ]
    activeExperts = try source.required(activeKeys, try source.integerOrFirst(activeKeys, in: 1...experts))
    let widthKeys = ["moe_intermediate_size", "expert_intermediate_size", "moe_ffn_hidden_size"]
    let ownWidth = try source.integerOrFirst(widthKeys, in: 1...ConfigurationReader.Limit.width)
    expertWidth = try source.required(widthKeys + ["intermediate_size"], ownWidth ?? denseWidth)
    sharedWidth = try Self.sharedWidth(config, recipe: recipe, expertWidth: expertWidth)
    isExpertLayer = try ExpertLayers(config, layerCount: layerCount).marks
  }

  private static func sharedWidth(
    _ config: ConfigurationReader, recipe: Recipe, expertWidth: Int
  ) throws(ConfigurationError) -> Int {
    let own = try config.integer(
      [
        "shared_expert_intermediate_size", "share_expert_dim", "moe_shared_expert_intermediate_size",
        "shared_intermediate_size",
      ], in: 0...ConfigurationReader.Limit.width)
    if let own { return own }
    let keys = ["n_shared_experts", "num_shared_experts", "num_shared_expert", "moe_num_shared_experts"]
    let count =
      try config.integerOrFirst(keys, in: 0...ConfigurationReader.Limit.count) ?? recipe.sharedExpertsByDefault
    return count * expertWidth
  }
}

/// Which layers have experts: each key narrows them; without any, all have.
private struct ExpertLayers {
  private(set) var marks: [Bool]

  init(_ config: ConfigurationReader, layerCount: Int) throws(ConfigurationError) {
    marks = [Bool](repeating: true, count: layerCount)
    if let types = try config.list("mlp_layer_types", atLeast: layerCount) {
      keep { types[$0].stringValue == "sparse" }
      return
    }
    if config.listIfAny("moe_layer_freq") != nil,
      let listed = try config.list("moe_layer_freq", atLeast: layerCount)
    {
      keep { listed[$0].intValue != 0 }
      return
    }
    if let dense = config.listIfAny("mlp_only_layers") {
      let dense = Set(dense.compactMap(\.intValue))
      keep { !dense.contains($0) }
    }
    try applyBounds(config)
    try applyPeriods(config)
  }

  private mutating func keep(where isKept: (Int) -> Bool) {
    for index in marks.indices where !isKept(index) { marks[index] = false }
  }

  private mutating func applyBounds(_ config: ConfigurationReader) throws(ConfigurationError) {
    let layers = 0...ConfigurationReader.Limit.layers
    let firstKeys = ["first_k_dense_replace", "num_dense_layers", "moe_layer_start_index"]
    if let first = try config.integer(firstKeys, in: layers) { keep { $0 >= first } }
    let lastRange = -1...ConfigurationReader.Limit.layers
    if let last = try config.integer(["moe_layer_end_index"], in: lastRange), last >= 0 { keep { $0 <= last } }
  }

  private mutating func applyPeriods(_ config: ConfigurationReader) throws(ConfigurationError) {
    let periods = 1...ConfigurationReader.Limit.layers
    if let period = try config.integer(["expert_layer_period"], in: periods) {
      let offset = try config.integer(["expert_layer_offset"], in: 0...ConfigurationReader.Limit.layers) ?? 0
      return keep { $0 % period == offset }
    }
    let endKeys = ["decoder_sparse_step", "interleave_moe_layer_step", "moe_layer_interval"]
    if let period = try config.integer(endKeys, in: periods) { keep { ($0 + 1) % period == 0 } }
    let startKeys = ["moe_layer_freq", "moe_layer_frequency"]
    if let period = try config.integer(startKeys, in: periods) { keep { $0 % period == 0 } }
  }
}

extension Sequence {
  /// `map` with a typed error, which the standard library's own loses in closures of this shape.
  func mapThrowing<Result, Failure: Error>(
    _ transform: (Element) throws(Failure) -> Result
  ) throws(Failure) -> [Result] {
    var results: [Result] = []
    results.reserveCapacity(underestimatedCount)
    for element in self { results.append(try transform(element)) }
    return results
  }
}
