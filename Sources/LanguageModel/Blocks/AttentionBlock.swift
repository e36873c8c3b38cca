// SPDX-License-Identifier: Apache-2.0

/// Multi-head, grouped-query or multi-query attention with its projections.
///
/// - Source: parameters `d·h·d_k + d·h_kv·(d_k + d_v) + h·d_v·d` and the extras named at each field.
struct AttentionBlock: LayerBlock {
  enum QueryKeyNorm: Sendable {
    case none
    /// One weight per element of a head, shared by the heads (Qwen3, Gemma 3).
    case perHead
    /// One weight per element of a head, with a bias (Phi-1.5 with `qk_layernorm`).
    case perHeadWithBias
    /// One weight per element of all heads (OLMo 2, MiniMax-M2, Command R+).
    case allHeads
  }

  enum OutputGate: Sendable {
    case none
    /// The query projection is twice as wide; the other half gates (Qwen3-Next).
    case insideQuery
    /// A matrix of its own, as wide as the heads' output (AFMoE).
    case perElement
    /// One gate per head (Step-3.5).
    case perHead
  }

  var hiddenSize: Int
  var shape: Attention
  /// Elements that the projections read; differs from hiddenSize for Zamba's concatenated input.
  var inputSize: Int
  var hasFusedProjection = false
  var hasInputBias = false
  var hasOutputBias = false
  var queryKeyNorm = QueryKeyNorm.none
  var gate = OutputGate.none
  var hasSinks = false
  /// A norm before the output projection (BitNet).
  var hasSubNorm = false
  /// False where the value is the key before its norm (Gemma 4's global layers).
  var hasValueProjection = true
  /// False for layers that read another layer's keys and values and store no projections for them.
  var hasKeyValueWeights = true

  init(hiddenSize: Int, shape: Attention) {
    self.hiddenSize = hiddenSize
    self.shape = shape
    inputSize = hiddenSize
  }

  private var queryWidth: Int { shape.heads * shape.keyWidth }
  private var keyWidth: Int { shape.keyValueHeads * shape.keyWidth }
  private var valueWidth: Int { shape.keyValueHeads * shape.valueWidth }
  private var outputWidth: Int { shape.heads * shape.valueWidth }

  func add(to layer: inout LayerDescription, tensors: inout TensorList, at index: Int) {
    layer.mixers.append(.attention(shape))
    if hasFusedProjection {
      addFusedProjection(&tensors, index)
    } else {
      addSplitProjections(&tensors, index)
    }
    addNorms(&tensors, index)
    addGate(&tensors, index)
    if hasSinks { tensors.vector(.attentionSinks, layer: index, shape.heads) }
    if hasSubNorm { tensors.vector(.attentionSubNorm, layer: index, outputWidth) }
    tensors.matrix(.attentionOutput, layer: index, hiddenSize, outputWidth)
    if hasOutputBias { tensors.vector(.attentionOutputBias, layer: index, hiddenSize) }
  }

  private func addFusedProjection(_ tensors: inout TensorList, _ index: Int) {
    let width = queryWidth + keyWidth + valueWidth
    tensors.matrix(.attentionQKV, layer: index, width, inputSize)
    if hasInputBias { tensors.vector(.attentionQKVBias, layer: index, width) }
  }

  private func addSplitProjections(_ tensors: inout TensorList, _ index: Int) {
    let query = gate == .insideQuery ? 2 * queryWidth : queryWidth
    tensors.matrix(.attentionQuery, layer: index, query, inputSize)
    if hasInputBias { tensors.vector(.attentionQueryBias, layer: index, query) }
    guard hasKeyValueWeights else { return }
    tensors.matrix(.attentionKey, layer: index, keyWidth, inputSize)
    if hasInputBias { tensors.vector(.attentionKeyBias, layer: index, keyWidth) }
    guard hasValueProjection else { return }
    tensors.matrix(.attentionValue, layer: index, valueWidth, inputSize)
    if hasInputBias { tensors.vector(.attentionValueBias, layer: index, valueWidth) }
  }

  private func addNorms(_ tensors: inout TensorList, _ index: Int) {
    guard queryKeyNorm != .none else { return }
    let isWhole = queryKeyNorm == .allHeads
    tensors.vector(.attentionQueryNorm, layer: index, isWhole ? queryWidth : shape.keyWidth)
    if queryKeyNorm == .perHeadWithBias { tensors.vector(.attentionQueryNormBias, layer: index, shape.keyWidth) }
    guard hasKeyValueWeights else { return }
    tensors.vector(.attentionKeyNorm, layer: index, isWhole ? keyWidth : shape.keyWidth)
    if queryKeyNorm == .perHeadWithBias { tensors.vector(.attentionKeyNormBias, layer: index, shape.keyWidth) }
  }

  private func addGate(_ tensors: inout TensorList, _ index: Int) {
    switch gate {
    case .none, .insideQuery: break
    case .perElement: tensors.matrix(.attentionGate, layer: index, outputWidth, inputSize)
    case .perHead: tensors.matrix(.attentionGate, layer: index, shape.heads, inputSize)
    }
  }
}
