// SPDX-License-Identifier: Apache-2.0

/// Mixture-of-attention-heads of JetMoE (arXiv 2404.07413): query and output projections are experts that share
/// one key and value projection.
///
/// - Source: `E·(p·d + d·p)`, router `E·d`, bias `d`, shared key and value `2·p·d` with `p = h_kv·d_h`.
struct JetAttentionBlock: LayerBlock {
  var hiddenSize: Int
  var shape: Attention
  var experts: Int

  init(_ planner: TransformerPlanner) throws(ConfigurationError) {
    hiddenSize = planner.sizes.hiddenSize
    shape = planner.attention.shape
    guard let pattern = planner.experts else { throw planner.config.missing(["num_local_experts"]) }
    experts = pattern.experts
  }

  func add(to layer: inout LayerDescription, tensors: inout TensorList, at index: Int) {
    layer.mixers.append(.attention(shape))
    let width = shape.keyValueHeads * shape.keyWidth
    tensors.matrix(.attentionOther, layer: index, experts, hiddenSize)
    tensors.matrix(.attentionQuery, layer: index, width, hiddenSize, copies: experts)
    tensors.matrix(.attentionKey, layer: index, width, hiddenSize)
    tensors.matrix(.attentionValue, layer: index, width, hiddenSize)
    tensors.matrix(.attentionOutput, layer: index, hiddenSize, width, copies: experts)
    tensors.vector(.attentionOutputBias, layer: index, hiddenSize)
  }
}

/// Grouped-query attention whose layers choose blocks of positions by an indexer (MiniMax-M3).
struct IndexedAttentionBlock: LayerBlock {
  var attention: AttentionBlock
  var heads: Int
  var width: Int

  func add(to layer: inout LayerDescription, tensors: inout TensorList, at index: Int) {
    attention.add(to: &layer, tensors: &tensors, at: index)
    tensors.matrix(.indexerQueryUp, layer: index, heads * width, attention.hiddenSize)
    tensors.matrix(.indexerKey, layer: index, width, attention.hiddenSize)
    tensors.vector(.attentionOther, layer: index, width)
    tensors.vector(.indexerKeyNorm, layer: index, width)
  }
}
