// SPDX-License-Identifier: Apache-2.0
internal import JSONText

/// Attention whose shape differs between windowed layers and the others.
extension TransformerPlanner {
  /// MiMo-V2: windowed layers have heads and widths of their own, and attention sinks.
  func windowedMixer(_ index: Int) throws(ConfigurationError) -> any LayerBlock {
    var block = attentionBlock(index)
    let isWindowed = block.shape.window != nil
    let sinkKey = isWindowed ? "add_swa_attention_sink_bias" : "add_full_attention_sink_bias"
    block.hasSinks = try config.flag(sinkKey) ?? isWindowed
    guard isWindowed else { return block }
    if let heads = try config.countIfAny("swa_num_attention_heads") { block.shape.heads = heads }
    if let heads = try config.countIfAny("swa_num_key_value_heads") { block.shape.keyValueHeads = heads }
    if let width = try config.countIfAny("swa_head_dim") { block.shape.keyWidth = width }
    if let width = try config.countIfAny("swa_v_head_dim") { block.shape.valueWidth = width }
    return block
  }

  /// Step-3.5: the other kind of attention has its own head counts under `attention_other_setting`.
  func stepAttention(_ index: Int) throws(ConfigurationError) -> any LayerBlock {
    var block = attentionBlock(index)
    block.gate = try config.flag("use_head_wise_attn_gate") ?? false ? .perHead : .none
    guard let other = config.part("attention_other_setting") else { return block }
    let isOther = try other.word("attention_type") == "sliding_attention" ? block.shape.window != nil : false
    guard isOther else { return block }
    if let heads = try other.countIfAny("num_attention_heads") { block.shape.heads = heads }
    if let heads = try other.countIfAny("num_attention_groups") { block.shape.keyValueHeads = heads }
    if let width = try other.countIfAny("head_dim") {
      block.shape.keyWidth = width
      block.shape.valueWidth = width
    }
    return block
  }

  /// MiniMax-M3: sparse layers have an indexer.
  func indexedAttention(_ index: Int) throws(ConfigurationError) -> any LayerBlock {
    var block = attentionBlock(index)
    guard let sparse = config.part("sparse_attention_config"),
      let marks = try sparse.list("sparse_attention_freq", atLeast: sizes.layerCount), marks[index].intValue != 0
    else { return block }
    let width = try sparse.count("sparse_index_dim")
    block.shape.indexWidth = width
    return IndexedAttentionBlock(attention: block, heads: try sparse.count("sparse_num_index_heads"), width: width)
  }
}
