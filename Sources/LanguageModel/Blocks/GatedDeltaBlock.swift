// SPDX-License-Identifier: Apache-2.0

/// Linear attention with the gated delta rule (arXiv 2412.06464), as in Qwen3-Next.
///
/// - Source: `d(2k + 2v) + d·2H_v + c(2k + v) + 2H_v + d_v + v·d` with `k = H_k·d_k`, `v = H_v·d_v`; state
///   `H_v·d_k·d_v` and `(c − 1)(2k + v)` in 32 bits.
struct GatedDeltaBlock: LayerBlock {
  var hiddenSize: Int
  var keyHeads: Int
  var valueHeads: Int
  var keyWidth: Int
  var valueWidth: Int
  var kernel: Int

  func add(to layer: inout LayerDescription, tensors: inout TensorList, at index: Int) {
    let key = keyHeads * keyWidth
    let value = valueHeads * valueWidth
    let mixed = 2 * key + value
    let state = valueHeads * keyWidth * valueWidth
    layer.mixers.append(
      .recurrent(
        RecurrentState(
          stateElements: state, convolutionElements: (kernel - 1) * mixed, multiplyAddsPerToken: 3 * state)))
    tensors.matrix(.attentionQKV, layer: index, mixed, hiddenSize)
    tensors.matrix(.attentionGate, layer: index, value, hiddenSize)
    tensors.matrix(.recurrentBetaAlpha, layer: index, 2 * valueHeads, hiddenSize)
    tensors.matrix(.recurrentConvolution, layer: index, mixed, kernel)
    tensors.vector(.recurrentTimeStepBias, layer: index, valueHeads)
    tensors.vector(.recurrentDecay, layer: index, valueHeads)
    tensors.vector(.recurrentGateNorm, layer: index, valueWidth)
    tensors.matrix(.recurrentOutput, layer: index, hiddenSize, value)
  }
}

extension GatedDeltaBlock {
  init(_ config: ConfigurationReader, hiddenSize: Int) throws(ConfigurationError) {
    self.hiddenSize = hiddenSize
    keyHeads = try config.count("linear_num_key_heads")
    valueHeads = try config.count("linear_num_value_heads")
    keyWidth = try config.count("linear_key_head_dim")
    valueWidth = try config.count("linear_value_head_dim")
    kernel = try config.integer(["linear_conv_kernel_dim"], in: 1...1024) ?? 4
  }
}

/// Kimi's delta attention (arXiv 2510.26692): a decay per key channel, gates through a low rank.
///
/// - Source: `q, k, v: 3·p·d`, three convolutions `3·p·c`, decay gate `w·d + p·w`, its bias `p`, `A: H`, beta
///   `H·d`, output gate `w·d + p·w` (or `p·d`), norm `w`, `o: d·p` with `p = H·w`; state `H·w²` in 32 bits.
struct KimiDeltaBlock: LayerBlock {
  var hiddenSize: Int
  var heads: Int
  var headWidth: Int
  var kernel: Int
  var hasFullRankGate = false
  var hasFullRankDecay = false

  func add(to layer: inout LayerDescription, tensors: inout TensorList, at index: Int) {
    let width = heads * headWidth
    let state = width * headWidth
    layer.mixers.append(
      .recurrent(
        RecurrentState(
          stateElements: state, convolutionElements: (kernel - 1) * 3 * width, multiplyAddsPerToken: 3 * state)))
    for role in [TensorRole.attentionQuery, .attentionKey, .attentionValue] {
      tensors.matrix(role, layer: index, width, hiddenSize)
    }
    tensors.matrix(.recurrentConvolution, layer: index, 3 * width, kernel)
    addGate(.recurrentTimeStep, isFullRank: hasFullRankDecay, &tensors, index)
    tensors.vector(.recurrentTimeStepBias, layer: index, width)
    tensors.vector(.recurrentDecay, layer: index, heads)
    tensors.matrix(.recurrentBeta, layer: index, heads, hiddenSize)
    addGate(.recurrentGate, isFullRank: hasFullRankGate, &tensors, index)
    tensors.vector(.recurrentGateNorm, layer: index, headWidth)
    tensors.matrix(.attentionOutput, layer: index, hiddenSize, width)
  }

  private func addGate(_ role: TensorRole, isFullRank: Bool, _ tensors: inout TensorList, _ index: Int) {
    let width = heads * headWidth
    guard !isFullRank else { return tensors.matrix(role, layer: index, width, hiddenSize) }
    tensors.matrix(role, layer: index, headWidth, hiddenSize)
    tensors.matrix(role, layer: index, width, headWidth)
  }
}

extension KimiDeltaBlock {
  init(_ config: ConfigurationReader, hiddenSize: Int) throws(ConfigurationError) {
    let part = config.part("linear_attn_config") ?? config
    self.hiddenSize = hiddenSize
    heads = try part.count("linear_num_heads", "linear_num_key_heads", "num_heads")
    headWidth = try part.count("linear_head_dim", "linear_key_head_dim", "head_dim")
    kernel = try part.integer(["short_conv_kernel_size", "linear_conv_kernel_dim"], in: 1...1024) ?? 4
    hasFullRankGate = try part.flag("use_full_rank_gate") ?? false
  }
}
