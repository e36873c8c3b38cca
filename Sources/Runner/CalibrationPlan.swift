// SPDX-License-Identifier: Apache-2.0
internal import LanguageModel

/// What a calibration measures, and how much of it.
struct CalibrationPlan {
  /// Formats with kernels of their own get every size; the others, which are decoded first, fewer.
  let fast =
    ([
      .f32, .f16, .bf16, .q8_0, .q4_0, .q4_1, .q5_0, .q5_1, .q2_k, .q3_k, .q4_k, .q5_k, .q6_k, .iq4_nl, .iq4_xs, .mxfp4,
    ] as [BlockFormat]).map(RuntimeFormat.init) + RuntimeFormat.groups
  let decoded =
    ([
      .q8_1, .q8_k, .iq1_s, .iq1_m, .iq2_xxs, .iq2_xs, .iq2_s, .iq3_xxs, .iq3_s, .tq1_0, .tq2_0,
    ] as [BlockFormat]).map(RuntimeFormat.init)
  /// Rounds over all formats: a disturbance hits one round of each, not all rounds of one.
  let rounds = 11
  let decodedRounds = 3
  /// Rounds with products of many vectors: they scatter less and take longer.
  let batchRounds = 5
  /// Samples of everything else.
  let repeats = 5
  /// Bytes of a job in a decoded format: slow enough for a short one to be timed well.
  let decodedJobBytes = 1 << 20
  /// Bytes of one matrix-vector job: a small layer's, a large layer's, an output head.
  let jobBytes = [1 << 20, 8 << 20, 48 << 20]
  let columns = 2048
  /// Tokens of a product with many vectors, and its matrix.
  let tokens = 512
  let productRows = 2048
  let productColumns = [2048]
  /// Head widths of the attention that is measured.
  let headWidths = [64, 128]
  let context = 576
  /// Passes without products per sample.
  let passRepeats = 20
}
