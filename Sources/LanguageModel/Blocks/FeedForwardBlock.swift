// SPDX-License-Identifier: Apache-2.0

/// A dense feed-forward part: `3·d·f` gated, `2·d·f` plain.
struct FeedForwardBlock: LayerBlock {
  var hiddenSize: Int
  var width: Int
  var isGated = true
  /// Gate and up share one matrix in files (Phi-3, ChatGLM): stored as an up matrix of twice the rows.
  var hasFusedGate = false
  var hasBias = false
  /// A norm before the down projection (BitNet).
  var hasSubNorm = false

  init(hiddenSize: Int, width: Int) {
    self.hiddenSize = hiddenSize
    self.width = width
  }

  func add(to layer: inout LayerDescription, tensors: inout TensorList, at index: Int) {
    var shape = layer.feedForward ?? FeedForward(width: 0, isGated: isGated)
    shape.width += width
    shape.isGated = isGated
    layer.feedForward = shape
    let isFused = isGated && hasFusedGate
    if isGated && !isFused {
      tensors.matrix(.feedForwardGate, layer: index, width, hiddenSize)
      if hasBias { tensors.vector(.feedForwardGateBias, layer: index, width) }
    }
    let rows = isFused ? 2 * width : width
    tensors.matrix(.feedForwardUp, layer: index, rows, hiddenSize)
    if hasBias { tensors.vector(.feedForwardUpBias, layer: index, rows) }
    if hasSubNorm { tensors.vector(.feedForwardSubNorm, layer: index, width) }
    tensors.matrix(.feedForwardDown, layer: index, hiddenSize, width)
    if hasBias { tensors.vector(.feedForwardDownBias, layer: index, hiddenSize) }
  }
}
