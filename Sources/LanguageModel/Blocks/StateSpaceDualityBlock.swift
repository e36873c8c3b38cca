// SPDX-License-Identifier: Apache-2.0

/// A state-space mixer with scalar decay per head (Mamba-2, arXiv 2405.21060).
///
/// - Source: `in: d(2d_i + 2Gs + H)`, convolution `(d_i + 2Gs)(c + 1)`, `A, D, dt: 3H`, norm `d_i`, `out: d_i·d`;
///   state `s·d_i` and `(c − 1)(d_i + 2Gs)` in 32 bits.
struct StateSpaceDualityBlock: LayerBlock {
  var hiddenSize: Int
  var heads: Int
  var headWidth: Int
  var groups: Int
  var stateSize: Int
  var kernel: Int
  var hasProjectionBias = false
  var hasConvolutionBias = true
  var hasGateNorm = true

  private var innerWidth: Int { heads * headWidth }
  private var mixedWidth: Int { innerWidth + 2 * groups * stateSize }

  func add(to layer: inout LayerDescription, tensors: inout TensorList, at index: Int) {
    layer.mixers.append(
      .recurrent(
        RecurrentState(
          stateElements: stateSize * innerWidth, convolutionElements: (kernel - 1) * mixedWidth,
          multiplyAddsPerToken: 3 * stateSize * innerWidth)))
    let input = innerWidth + mixedWidth + heads
    tensors.matrix(.recurrentInput, layer: index, input, hiddenSize)
    if hasProjectionBias { tensors.vector(.recurrentInputBias, layer: index, input) }
    tensors.matrix(.recurrentConvolution, layer: index, mixedWidth, kernel)
    if hasConvolutionBias { tensors.vector(.recurrentConvolutionBias, layer: index, mixedWidth) }
    tensors.vector(.recurrentTimeStepBias, layer: index, heads)
    tensors.vector(.recurrentDecay, layer: index, heads)
    tensors.vector(.recurrentSkip, layer: index, heads)
    if hasGateNorm { tensors.vector(.recurrentGateNorm, layer: index, innerWidth) }
    tensors.matrix(.recurrentOutput, layer: index, hiddenSize, innerWidth)
    if hasProjectionBias { tensors.vector(.recurrentOutputBias, layer: index, hiddenSize) }
  }
}

extension StateSpaceDualityBlock {
  /// Sizes under the names that Mamba-2, Bamba, Falcon-H1, Granite 4, Nemotron-H and Zamba2 use.
  init(_ config: ConfigurationReader, hiddenSize: Int) throws(ConfigurationError) {
    self.hiddenSize = hiddenSize
    heads = try config.count("mamba_n_heads", "mamba_num_heads", "n_mamba_heads", "num_heads")
    let expand = try config.integer(["mamba_expand", "expand"], in: 1...64) ?? 2
    let inner = try config.widthIfAny("mamba_d_ssm") ?? expand * hiddenSize
    let widthKeys = ["mamba_d_head", "mamba_headdim", "mamba_head_dim", "head_dim"]
    let isAutomatic = config.wordHereOrOutside(widthKeys) != nil
    let width = isAutomatic ? nil : try config.integer(widthKeys, in: 1...ConfigurationReader.Limit.count)
    headWidth = width ?? max(1, inner / heads)
    groups = try config.countIfAny("mamba_n_groups", "mamba_ngroups", "n_groups") ?? 1
    stateSize = try config.count("mamba_d_state", "ssm_state_size", "state_size")
    kernel = try config.integer(["mamba_d_conv", "conv_kernel"], in: 1...1024) ?? 4
    hasProjectionBias = try config.flag("mamba_proj_bias", "use_bias") ?? false
    hasConvolutionBias = try config.flag("mamba_conv_bias", "use_conv_bias") ?? true
    hasGateNorm = try config.flag("mamba_rms_norm") ?? true
  }
}
