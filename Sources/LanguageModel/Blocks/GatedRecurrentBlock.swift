// SPDX-License-Identifier: Apache-2.0

/// The recurrent block of Griffin (arXiv 2402.19427): two branches, a convolution and a gated linear recurrent unit.
///
/// - Source: branches `2(w·d + w)`, convolution `w·c + w`, decay `w`, two block-diagonal gates `2(w²/H + w)`,
///   `out: d·w + d`; state `w` and `(c − 1)·w` in 32 bits.
struct GatedRecurrentBlock: LayerBlock {
  var hiddenSize: Int
  var width: Int
  var kernel: Int
  /// Blocks of the gates' matrices.
  var heads: Int

  init(_ config: ConfigurationReader, hiddenSize: Int) throws(ConfigurationError) {
    self.hiddenSize = hiddenSize
    width = try config.widthIfAny("lru_width") ?? hiddenSize
    kernel = try config.integer(["conv1d_width"], in: 1...1024) ?? 4
    heads = try config.count("num_attention_heads")
  }

  func add(to layer: inout LayerDescription, tensors: inout TensorList, at index: Int) {
    layer.mixers.append(
      .recurrent(
        RecurrentState(
          stateElements: width, convolutionElements: (kernel - 1) * width, multiplyAddsPerToken: 4 * width)))
    tensors.matrix(.recurrentInput, layer: index, 2 * width, hiddenSize)
    tensors.vector(.recurrentInputBias, layer: index, 2 * width)
    tensors.matrix(.recurrentConvolution, layer: index, width, kernel)
    tensors.vector(.recurrentConvolutionBias, layer: index, width)
    tensors.vector(.recurrentDecay, layer: index, width)
    let block = max(1, width / heads)
    tensors.matrix(.recurrentGate, layer: index, block, block, copies: 2 * heads)
    tensors.vector(.recurrentOther, layer: index, 2 * heads * block)
    tensors.matrix(.recurrentOutput, layer: index, hiddenSize, width)
    tensors.vector(.recurrentOutputBias, layer: index, hiddenSize)
  }
}

/// The gated short convolution of LFM2: `in: 3d·d`, convolution `d·c`, `out: d·d`; state `(c − 1)·d`.
struct ShortConvolutionBlock: LayerBlock {
  var hiddenSize: Int
  var kernel: Int
  var hasBias: Bool

  init(_ config: ConfigurationReader, hiddenSize: Int) throws(ConfigurationError) {
    self.hiddenSize = hiddenSize
    kernel = try config.integer(["conv_L_cache"], in: 1...1024) ?? 3
    hasBias = try config.flag("conv_bias") ?? false
  }

  func add(to layer: inout LayerDescription, tensors: inout TensorList, at index: Int) {
    layer.mixers.append(
      .recurrent(
        RecurrentState(
          stateElements: 0, convolutionElements: (kernel - 1) * hiddenSize,
          multiplyAddsPerToken: (kernel + 2) * hiddenSize)))
    tensors.matrix(.shortConvolutionInput, layer: index, 3 * hiddenSize, hiddenSize)
    tensors.matrix(.shortConvolution, layer: index, hiddenSize, kernel)
    tensors.matrix(.shortConvolutionOutput, layer: index, hiddenSize, hiddenSize)
    if hasBias { tensors.vector(.recurrentOther, layer: index, 5 * hiddenSize) }
  }
}
