// SPDX-License-Identifier: Apache-2.0
internal import Compression
internal import LanguageModel

/// What a calibration measures, and how much of it.
struct CalibrationPlan {
  /// Formats with kernels of their own get every size; the others, which are decoded first, fewer.
  let fast =
    BlockFormat.allCases.filter { StorageFormat.block($0).kernelSupport == .fast }.map(RuntimeFormat.init)
    + RuntimeFormat.groups
  /// Shares of kept weights whose rows are measured: two found by a mask, two by a list; others lie between.
  let kept = [500, 200, 100, 50].compactMap {
    RuntimeFormat.keptRows(permille: $0, columns: RuntimeFormat.referenceColumns)
  }
  /// Their weights are written anew for each.
  let keptRounds = 5
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
  /// The job that threads are counted with: a layer's.
  let trialJobBytes = 8 << 20
  let columns = RuntimeFormat.referenceColumns
  /// Tokens of a product with many vectors, and its matrix: what all matrices that read one input share, its conversion,
  /// falls on some four thousand rows of a usual layer (attention's two or three thousand, gate and up together ten).
  let tokens = 512
  let productRows = 4096
  let productColumns = [2048]
  /// Vectors of a product with a few, up to what the kernels for a few take at once and twice that; bytes of its matrix,
  /// and of all that one sample walks through.
  let fewTokens = [4, 8, 16]
  let fewBytes = 8 << 20
  let fewWalkBytes = 32e6
  /// Head widths of the attention that is measured.
  let headWidths = [64, 128]
  /// Elements of all KV heads, and heads that share one.
  let keyWidth = 512
  let headGroups = [1, 4, 8]
  /// Positions that a token sees: of a usual conversation, and more than the near caches hold.
  let contexts = [576, 4096]
  let attentionRepeats = (token: 5, prompt: 2)
  /// Bytes that are read before a token's attention.
  let weightsBetween = 256 << 20
  /// Layers with a cache of their own.
  let attentionLayers = 8
  /// Some milliseconds of multiply-adds.
  let peakRounds = 1 << 20

  /// The measured groups between which one lies, or the one that it is or is beyond.
  func headGroups(around group: Int) -> [Int] {
    let (below, above) = (headGroups.last { $0 <= group }, headGroups.first { $0 >= group })
    return Set([below, above].compactMap(\.self)).sorted()
  }
}
