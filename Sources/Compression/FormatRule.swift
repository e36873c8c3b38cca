// SPDX-License-Identifier: Apache-2.0
internal import LanguageModel

/// What a recipe stores one category of tensors in: a usual format, and others for some of the layers.
struct FormatRule: Sendable, Equatable {
  var usual: BlockFormat
  /// Applies to its layers; where both exceptions apply, `first` does.
  var first: Exception?
  var second: Exception?

  struct Exception: Sendable, Equatable {
    var format: BlockFormat
    var layers: LayerSelection
  }

  init(_ usual: BlockFormat) { self.usual = usual }

  init(_ usual: BlockFormat, _ format: BlockFormat, in layers: LayerSelection) {
    self.usual = usual
    first = Exception(format: format, layers: layers)
  }

  func adding(_ format: BlockFormat, in layers: LayerSelection) -> FormatRule {
    var rule = self
    rule.second = Exception(format: format, layers: layers)
    return rule
  }

  /// The rule with some formats exchanged for another.
  func replacing(_ formats: Set<BlockFormat>, with format: BlockFormat) -> FormatRule {
    var rule = self
    if formats.contains(usual) { rule.usual = format }
    if let first, formats.contains(first.format) { rule.first?.format = format }
    if let second, formats.contains(second.format) { rule.second?.format = format }
    return rule
  }

  /// The format of the tensor at `index` of `count`.
  func format(at index: Int, of count: Int) -> BlockFormat {
    if let first, first.layers.contains(index, of: count) { return first.format }
    if let second, second.layers.contains(index, of: count) { return second.format }
    return usual
  }

  var dependsOnLayer: Bool { first != nil }
}

extension BlockFormat {
  /// The format that llama.cpp takes when a row is no whole number of this format's blocks.
  ///
  /// - Source: llama.cpp's src/llama-quant.cpp; formats of blocks of 32 have none, 16-bit floats take their place.
  func fitting(columns: Int) -> BlockFormat {
    guard columns % elementsPerBlock != 0 else { return self }
    let smaller: BlockFormat =
      switch self {
      case .iq1_s, .iq1_m, .iq2_xxs, .iq2_xs, .iq2_s, .iq3_xxs, .iq3_s, .iq4_xs: .iq4_nl
      case .q2_k, .q3_k, .tq1_0, .tq2_0: .q4_0
      case .q4_k: .q5_0
      case .q5_k: .q5_1
      case .q6_k, .q8_k: .q8_0
      default: .f16
      }
    return columns % smaller.elementsPerBlock == 0 ? smaller : .f16
  }
}
