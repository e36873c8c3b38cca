// SPDX-License-Identifier: Apache-2.0

/// A mixture of experts: `E·3·d·f_e` gated (2 plain), a router `d·E`, and shared experts that every token visits.
struct ExpertsBlock: LayerBlock {
  var hiddenSize: Int
  var experts: Int
  var activeExperts: Int
  var expertWidth: Int
  var sharedWidth = 0
  var isGated = true
  var hasRouterBias = false
  /// One number per expert that steers the router without gradient (DeepSeek-V3, arXiv 2412.19437).
  var hasRouterCorrection = false
  var hasExpertBias = false
  /// One gate over the shared experts' output (Qwen's `shared_expert_gate`).
  var hasSharedGate = false
  /// Routed experts work on a narrower vector, between two projections (Nemotron 3).
  var latentWidth: Int?
  var hasLatentNorm = false

  init(hiddenSize: Int, experts: Int, activeExperts: Int, expertWidth: Int) {
    self.hiddenSize = hiddenSize
    self.experts = experts
    self.activeExperts = activeExperts
    self.expertWidth = expertWidth
  }

  func add(to layer: inout LayerDescription, tensors: inout TensorList, at index: Int) {
    var shape = layer.feedForward ?? FeedForward(width: 0, isGated: isGated)
    shape.experts = experts
    shape.activeExperts = activeExperts
    shape.expertWidth = expertWidth
    shape.sharedExpertWidth = sharedWidth
    layer.feedForward = shape
    tensors.matrix(.router, layer: index, experts, hiddenSize)
    if hasRouterBias { tensors.vector(.routerBias, layer: index, experts) }
    if hasRouterCorrection { tensors.vector(.routerCorrection, layer: index, experts) }
    addRouted(&tensors, index)
    addShared(&tensors, index)
  }

  private func addRouted(_ tensors: inout TensorList, _ index: Int) {
    let input = latentWidth ?? hiddenSize
    if let latentWidth {
      tensors.matrix(.latentExpertDown, layer: index, latentWidth, hiddenSize)
      tensors.matrix(.latentExpertUp, layer: index, hiddenSize, latentWidth)
      if hasLatentNorm { tensors.vector(.latentExpertNorm, layer: index, latentWidth) }
    }
    if isGated { addStack(.expertGate, .expertGateBias, expertWidth, input, &tensors, index) }
    addStack(.expertUp, .expertUpBias, expertWidth, input, &tensors, index)
    addStack(.expertDown, .expertDownBias, input, expertWidth, &tensors, index)
  }

  private func addStack(
    _ role: TensorRole, _ bias: TensorRole, _ rows: Int, _ columns: Int, _ tensors: inout TensorList, _ index: Int
  ) {
    tensors.matrix(role, layer: index, rows, columns, copies: experts)
    if hasExpertBias { tensors.matrix(bias, layer: index, 1, rows, copies: experts) }
  }

  private func addShared(_ tensors: inout TensorList, _ index: Int) {
    guard sharedWidth > 0 else { return }
    if isGated { tensors.matrix(.sharedExpertGate, layer: index, sharedWidth, hiddenSize) }
    tensors.matrix(.sharedExpertUp, layer: index, sharedWidth, hiddenSize)
    tensors.matrix(.sharedExpertDown, layer: index, hiddenSize, sharedWidth)
    if hasSharedGate { tensors.vector(.sharedExpertRouter, layer: index, hiddenSize) }
  }
}
