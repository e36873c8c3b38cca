// SPDX-License-Identifier: Apache-2.0

extension ForwardRules {
  /// What running a model needs besides shapes, from its configuration.
  init(_ config: ConfigurationReader) throws(ConfigurationError) {
    self.init()
    let epsilon = try config.number(
      "rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon", "layernorm_epsilon", "norm_epsilon", "norm_eps")
    if let epsilon, epsilon > 0 { normEpsilon = epsilon }
    // Models with two kinds of attention have one set for each; the global one is the model's.
    let all = config.part("rope_parameters") ?? config.part("rope_scaling")
    let parameters = all?.part("full_attention") ?? all
    let nested = config.part("attn_config")
    let own = try config.number("rope_theta", "rotary_emb_base", "rope_embedding_base", "rope_freq_constant")
    let inParameters = try parameters?.number("rope_theta")
    let inAttention = try nested?.number("rope_theta")
    if let base = own ?? inParameters ?? inAttention, base > 0 { ropeBase = base }
    ropeWidth = try Self.rotatedWidth(config)
    let kind = parameters?.wordHereOrOutside(["rope_type", "type"])
    if kind == "linear", let factor = try parameters?.number("factor"), factor > 0 { ropeLinearFactor = factor }
    if kind == "llama3", let parameters { ropeScaling = try RopeScaling(parameters) }
  }

  /// Rotated elements per head, when the file says that it is not all of them.
  private static func rotatedWidth(_ config: ConfigurationReader) throws(ConfigurationError) -> Int? {
    if let width = try config.countIfAny("rotary_dim", "qk_rope_head_dim") { return width }
    let own = try config.number("partial_rotary_factor", "rotary_pct", "rope_pct")
    let inParameters = try config.part("rope_parameters")?.number("partial_rotary_factor")
    guard let share = own ?? inParameters, share > 0, share < 1,
      let heads = try config.countIfAny("num_attention_heads", "n_head"),
      let hidden = try config.widthIfAny("hidden_size", "n_embd")
    else { return nil }
    let width = try config.countIfAny("head_dim", "kv_channels") ?? hidden / heads
    return max(1, Int(Double(width) * share))
  }
}

extension RopeScaling {
  /// Nil when a number is missing or makes no sense.
  init?(_ parameters: ConfigurationReader) throws(ConfigurationError) {
    guard let factor = try parameters.number("factor"), factor > 0,
      let low = try parameters.number("low_freq_factor"), low > 0,
      let high = try parameters.number("high_freq_factor"), high > low,
      let context = try parameters.number("original_max_position_embeddings"), context > 0
    else { return nil }
    self.init(factor: factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalContext: context)
  }
}
