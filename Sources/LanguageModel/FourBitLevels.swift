// SPDX-License-Identifier: Apache-2.0

/// The sixteen values that a 4-bit code of bitsandbytes stands for, before its block's absmax multiplies it.
package enum FourBitLevels {
  /// Quantiles of the normal distribution, scaled to ±1 with an exact zero.
  ///
  /// - Source: QLoRA, arXiv 2305.14314, appendix E.
  package static let normal: [Float] = [
    -1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1,
  ]

  /// A sign, two bits of exponent and one of fraction, scaled to ±1: twelfths of 0, 1/16, 8, 12, 4, 6, 2, 3.
  package static let float: [Float] = [0, 1 / 16, 8, 12, 4, 6, 2, 3, 0, -1 / 16, -8, -12, -4, -6, -2, -3].map {
    $0 / 12
  }
}
