// SPDX-License-Identifier: Apache-2.0
internal import Compression
internal import LanguageModel

/// What a calibration measures, and how much of it.
struct CalibrationPlan {
  /// Formats with kernels of their own get every size; the others, which are decoded first, fewer.
  let fast =
    BlockFormat.allCases.filter { StorageFormat.block($0).kernelSupport == .fast }.map(RuntimeFormat.init)
    + RuntimeFormat.groups
  let decoded = BlockFormat.allCases.filter { StorageFormat.block($0).kernelSupport == .portable }
    .map(RuntimeFormat.init)
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
  /// Some milliseconds of multiply-adds.
  let peakRounds = 1 << 20
  /// Passes without products per sample.
  let passRepeats = 20
}
