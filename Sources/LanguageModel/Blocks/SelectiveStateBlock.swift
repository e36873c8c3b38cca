// SPDX-License-Identifier: Apache-2.0

/// A selective state-space mixer (Mamba, arXiv 2312.00752).
///
/// - Source: `in: 2·d_i·d`, convolution `d_i·c`, `x: (r + 2s)·d_i`, `dt: d_i·r + d_i`, `A: d_i·s`, `D: d_i`,
///   `out: d·d_i`; state `s·d_i` and `(c − 1)·d_i` in 32 bits.
struct SelectiveStateBlock: LayerBlock {
  var hiddenSize: Int
  var innerWidth: Int
  var stateSize: Int
  var kernel: Int
  var timeStepRank: Int
  var hasProjectionBias = false
  var hasConvolutionBias = true
  /// Norms of time step, input and output state (Jamba).
  var hasStateNorms = false

  func add(to layer: inout LayerDescription, tensors: inout TensorList, at index: Int) {
    layer.mixers.append(
      .recurrent(
        RecurrentState(
          stateElements: stateSize * innerWidth, convolutionElements: (kernel - 1) * innerWidth,
          multiplyAddsPerToken: 3 * stateSize * innerWidth)))
    tensors.matrix(.recurrentInput, layer: index, 2 * innerWidth, hiddenSize)
    if hasProjectionBias { tensors.vector(.recurrentInputBias, layer: index, 2 * innerWidth) }
    tensors.matrix(.recurrentConvolution, layer: index, innerWidth, kernel)
    if hasConvolutionBias { tensors.vector(.recurrentConvolutionBias, layer: index, innerWidth) }
    tensors.matrix(.recurrentProjection, layer: index, timeStepRank + 2 * stateSize, innerWidth)
    tensors.matrix(.recurrentTimeStep, layer: index, innerWidth, timeStepRank)
    tensors.vector(.recurrentTimeStepBias, layer: index, innerWidth)
    tensors.matrix(.recurrentDecay, layer: index, innerWidth, stateSize)
    tensors.vector(.recurrentSkip, layer: index, innerWidth)
    if hasStateNorms {
      tensors.vector(.recurrentTimeStepNorm, layer: index, timeStepRank)
      tensors.vector(.recurrentInputStateNorm, layer: index, stateSize)
      tensors.vector(.recurrentOutputStateNorm, layer: index, stateSize)
    }
    tensors.matrix(.recurrentOutput, layer: index, hiddenSize, innerWidth)
    if hasProjectionBias { tensors.vector(.recurrentOutputBias, layer: index, hiddenSize) }
  }
}

extension SelectiveStateBlock {
  /// Sizes under the names of Mamba's and of Jamba's configurations.
  init(_ config: ConfigurationReader, hiddenSize: Int) throws(ConfigurationError) {
    let expand = try config.integer(["mamba_expand", "expand"], in: 1...64) ?? 2
    self.hiddenSize = hiddenSize
    innerWidth = expand * hiddenSize
    stateSize = try config.count("mamba_d_state", "state_size")
    kernel = try config.integer(["mamba_d_conv", "conv_kernel"], in: 1...1024) ?? 4
    // "auto" is a sixteenth of the hidden size, rounded up.
    let rankKeys = ["mamba_dt_rank", "time_step_rank"]
    let isAutomatic = config.wordHereOrOutside(rankKeys) != nil
    let rank = isAutomatic ? nil : try config.integer(rankKeys, in: 1...ConfigurationReader.Limit.count)
    timeStepRank = rank ?? (hiddenSize + 15) / 16
    hasProjectionBias = try config.flag("mamba_proj_bias", "use_bias") ?? false
    hasConvolutionBias = try config.flag("mamba_conv_bias", "use_conv_bias") ?? true
  }
}
