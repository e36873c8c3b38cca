// SPDX-License-Identifier: Apache-2.0

/// Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434), with the sparse indexer of DeepSeek-V3.2 where present.
///
/// - Source: `q: d·r_q + r_q + r_q·h(d_n+d_r)` or `d·h(d_n+d_r)`; `kv_a: d(r_kv+d_r)`, norm `r_kv`,
///   `kv_b: r_kv·h(d_n+d_v)`, `o: h·d_v·d`.
struct LatentAttentionBlock: LayerBlock {
  /// The indexer that chooses positions for sparse attention: its queries read the compressed query.
  struct Indexer: Sendable {
    var heads: Int
    var headWidth: Int
  }

  var hiddenSize: Int
  var shape: LatentAttention
  /// Rank of the compressed query; nil projects directly.
  var queryRank: Int?
  var indexer: Indexer?
  /// A gate before the output projection.
  var gate = AttentionBlock.OutputGate.none

  init(hiddenSize: Int, shape: LatentAttention, queryRank: Int?) {
    self.hiddenSize = hiddenSize
    self.shape = shape
    self.queryRank = queryRank
  }

  func add(to layer: inout LayerDescription, tensors: inout TensorList, at index: Int) {
    var described = shape
    described.queryRank = queryRank
    layer.mixers.append(.latentAttention(described))
    let queryWidth = shape.heads * (shape.plainWidth + shape.ropeWidth)
    let outputWidth = shape.heads * shape.valueWidth
    if let queryRank {
      tensors.matrix(.latentQueryDown, layer: index, queryRank, hiddenSize)
      tensors.vector(.latentQueryNorm, layer: index, queryRank)
      tensors.matrix(.latentQueryUp, layer: index, queryWidth, queryRank)
    } else {
      tensors.matrix(.attentionQuery, layer: index, queryWidth, hiddenSize)
    }
    addKeyValue(&tensors, index)
    switch gate {
    case .none, .insideQuery: break
    case .perElement: tensors.matrix(.attentionGate, layer: index, outputWidth, hiddenSize)
    case .perHead: tensors.matrix(.attentionGate, layer: index, shape.heads, hiddenSize)
    }
    tensors.matrix(.attentionOutput, layer: index, hiddenSize, outputWidth)
    if let indexer { add(indexer, to: &tensors, at: index) }
  }

  /// The up-projection is kept in two stacks, one matrix per head, as GGUF files hold it: the key part transposed,
  /// so that decoding can absorb it into the query.
  private func addKeyValue(_ tensors: inout TensorList, _ index: Int) {
    tensors.matrix(.latentKeyValueDown, layer: index, shape.keyValueRank + shape.ropeWidth, hiddenSize)
    tensors.vector(.latentKeyValueNorm, layer: index, shape.keyValueRank)
    tensors.matrix(.latentKeyUp, layer: index, shape.keyValueRank, shape.plainWidth, copies: shape.heads)
    tensors.matrix(.latentValueUp, layer: index, shape.valueWidth, shape.keyValueRank, copies: shape.heads)
  }

  private func add(_ indexer: Indexer, to tensors: inout TensorList, at index: Int) {
    tensors.matrix(.indexerQueryUp, layer: index, indexer.heads * indexer.headWidth, queryRank ?? hiddenSize)
    tensors.matrix(.indexerKey, layer: index, indexer.headWidth, hiddenSize)
    tensors.vector(.indexerKeyNorm, layer: index, indexer.headWidth)
    tensors.vector(.indexerKeyNormBias, layer: index, indexer.headWidth)
    tensors.matrix(.indexerHeadWeights, layer: index, indexer.heads, hiddenSize)
  }
}
