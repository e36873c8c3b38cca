// SPDX-License-Identifier: Apache-2.0
internal import JSONText
internal import LanguageModel
internal import ModelFiles

/// The layouts that compressed-tensors gives sparse matrices: the weights that are not zero, and a bit for each column.
enum KeptParts {
  /// Two of every four have a layout of their own, whose rows are all of one length.
  private static func isTwoOfFour(_ pattern: SparsePattern) -> Bool { pattern == .structured(kept: 2, of: 4) }

  static func parts(
    _ base: String, rows: Int, columns: Int, pattern: SparsePattern, values: [Float]
  ) -> [CheckpointPart] {
    let halves = values.map { Float16($0) }
    let isGrouped = isTwoOfFour(pattern) && columns % 4 == 0
    let isKept = isGrouped ? largestTwo(of: halves) : halves.map { $0 != 0 }
    let kept = isKept.count { $0 }
    let shape: [Int64] = [Int64(rows), Int64(columns)]
    let line = (columns + 7) / 8
    var parts = [
      CheckpointPart(base + ".shape", .i64, isGrouped ? [2, 1] : [2]) { shape },
      CheckpointPart(base + ".compressed", .f16, isGrouped ? [rows, columns / 2] : [kept]) {
        zip(halves, isKept).compactMap { $1 ? $0 : nil }
      },
      CheckpointPart(base + ".bitmask", .u8, [rows, line]) { () -> [UInt8] in
        var mask = [UInt8](repeating: 0, count: rows * line)
        for (index, isKept) in isKept.enumerated() where isKept {
          mask[index / columns * line + index % columns / 8] |= 1 << UInt8(index % columns % 8)
        }
        return mask
      },
    ]
    guard !isGrouped else { return parts }
    parts.append(
      CheckpointPart(base + ".row_offsets", .i64, [rows]) { () -> [Int64] in
        var (offsets, end) = ([Int64](), Int64(0))
        for row in 0..<rows {
          offsets.append(end)
          end += Int64(isKept[row * columns..<(row + 1) * columns].count { $0 })
        }
        return offsets
      })
    return parts
  }

  /// Two of every four whether zero or not; of equals, the first.
  private static func largestTwo(of halves: [Float16]) -> [Bool] {
    var isKept = [Bool](repeating: false, count: halves.count)
    for start in stride(from: 0, to: halves.count, by: 4) {
      let ranked = (start..<start + 4).sorted { (-abs(halves[$0]), $0) < (-abs(halves[$1]), $1) }
      for index in ranked.prefix(2) { isKept[index] = true }
    }
    return isKept
  }

  /// - Source: the `quantization_config` that llm-compressor writes for sparse models.
  static func configuration(_ pattern: SparsePattern) -> JSON {
    [
      "quant_method": "compressed-tensors", "format": "dense", "quantization_status": "compressed",
      "config_groups": .object([]), "ignore": ["lm_head"],
      "sparsity_config": [
        "format": isTwoOfFour(pattern) ? "sparse-24-bitmask" : "sparse-bitmask",
        "sparsity_structure": isTwoOfFour(pattern) ? "2:4" : "unstructured",
        "global_sparsity": .number(1 - Double(pattern.keptPermille) / 1000), "targets": ["Linear"],
        "ignore": ["lm_head"],
      ],
    ]
  }
}
