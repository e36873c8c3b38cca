// SPDX-License-Identifier: Apache-2.0

/// Attention of DeepSeek-V4: one shared vector per position serves as key and value inside a sliding window; farther
/// context is compressed, `stride` tokens into one vector, with an indexer where the stride is small.
///
/// - Source: `q: d·r + r + r·h·w`, `kv: d·w + w`, grouped output `h·w·r_o + g·r_o·d`, sinks `h`; compressor
///   `2·k·d·w + stride·k·w + w` with k = 2 for overlapping windows (with an indexer), else 1; indexer: a compressor
///   of its own width, `r·h_i·w_i` and `d·h_i`.
struct CompressedAttentionBlock: LayerBlock {
  struct Indexer: Sendable {
    var heads: Int
    var width: Int
  }

  var hiddenSize: Int
  var heads: Int
  var width: Int
  var ropeWidth: Int
  var queryRank: Int
  var outputRank: Int
  var outputGroups: Int
  var window: Int?
  /// Tokens per compressed vector; nil keeps the window alone.
  var stride: Int?
  var indexer: Indexer?

  func add(to layer: inout LayerDescription, tensors: inout TensorList, at index: Int) {
    layer.mixers.append(.latentAttention(shape(window: window, stride: 1, indexWidth: 0)))
    if let stride {
      layer.mixers.append(
        .latentAttention(shape(window: nil, stride: stride, indexWidth: indexer?.width ?? 0)))
    }
    tensors.matrix(.latentQueryDown, layer: index, queryRank, hiddenSize)
    tensors.vector(.latentQueryNorm, layer: index, queryRank)
    tensors.matrix(.latentQueryUp, layer: index, heads * width, queryRank)
    tensors.matrix(.latentKeyValueDown, layer: index, width, hiddenSize)
    tensors.vector(.latentKeyValueNorm, layer: index, width)
    let groups = max(1, outputGroups)
    tensors.matrix(.attentionOther, layer: index, outputRank, heads * width / groups, copies: groups)
    tensors.matrix(.attentionOutput, layer: index, hiddenSize, groups * outputRank)
    tensors.vector(.attentionSinks, layer: index, heads)
    addCompressor(&tensors, index)
  }

  private func shape(window: Int?, stride: Int, indexWidth: Int) -> LatentAttention {
    LatentAttention(
      heads: heads, keyValueRank: max(0, width - ropeWidth), ropeWidth: ropeWidth,
      plainWidth: max(0, width - ropeWidth),
      valueWidth: width, window: window, stride: stride, indexWidth: indexWidth)
  }

  private func addCompressor(_ tensors: inout TensorList, _ index: Int) {
    guard let stride else { return }
    let overlap = indexer == nil ? 1 : 2
    addCompressor(width: width, overlap: overlap, stride: stride, &tensors, index)
    guard let indexer else { return }
    addCompressor(width: indexer.width, overlap: overlap, stride: stride, &tensors, index)
    tensors.matrix(.indexerQueryUp, layer: index, indexer.heads * indexer.width, queryRank)
    tensors.matrix(.indexerHeadWeights, layer: index, indexer.heads, hiddenSize)
  }

  private func addCompressor(width: Int, overlap: Int, stride: Int, _ tensors: inout TensorList, _ index: Int) {
    tensors.matrix(.attentionOther, layer: index, overlap * width, hiddenSize, copies: 2)
    tensors.matrix(.attentionOther, layer: index, stride, overlap * width)
    tensors.vector(.attentionOther, layer: index, width)
  }
}

/// The mixing of parallel residual streams (hyper-connections): `mixed·width`, and `mixed` offsets and some scales.
struct HyperConnectionBlock: LayerBlock {
  var mixed: Int
  var width: Int
  var scales: Int

  func add(to layer: inout LayerDescription, tensors: inout TensorList, at index: Int) {
    tensors.matrix(.hyperConnection, layer: index, mixed, width)
    tensors.vector(.hyperConnection, layer: index, mixed)
    tensors.vector(.hyperConnection, layer: index, scales)
  }
}

extension TransformerPlanner {
  func compressedAttention(_ index: Int) throws(ConfigurationError) -> CompressedAttentionBlock {
    let strides = try config.list("compress_ratios", atLeast: sizes.layerCount)
    let stride = try strides.mapThrowing { (list) throws(ConfigurationError) in
      try config.checked(list[index], key: "compress_ratios", in: 0...ConfigurationReader.Limit.count)
    }
    var block = CompressedAttentionBlock(
      hiddenSize: sizes.hiddenSize, heads: attention.shape.heads, width: try config.count("head_dim"),
      ropeWidth: try config.count("qk_rope_head_dim"), queryRank: try config.width("q_lora_rank"),
      outputRank: try config.count("o_lora_rank"), outputGroups: try config.count("o_groups"))
    block.window = windows[index]
    block.stride = stride == 0 ? nil : stride
    // Heavily compressed layers read every compressed vector; the others choose by an indexer.
    if let stride = block.stride, stride < 32 {
      block.indexer = CompressedAttentionBlock.Indexer(
        heads: try config.count("index_n_heads"), width: try config.count("index_head_dim"))
    }
    return block
  }
}
