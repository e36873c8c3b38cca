// SPDX-License-Identifier: Apache-2.0
import TestSupport

extension PackedCheckpoint {
  static func sparse(_ format: String) -> String {
    #"{"quant_method":"compressed-tensors","config_groups":{},"sparsity_config":{"format":"\#(format)"}}"#
  }

  /// compressed-tensors: the weights that are not zero, row by row, and a bit for each column from the lowest up.
  ///
  /// - Parameter kept: weights that a row of so many columns keeps.
  static func bitmask(twoOfFour: Bool = false, kept: @escaping @Sendable (_ columns: Int) -> Int) -> Packer {
    { name, rows, columns, random in
      var values = [Float](repeating: 0, count: rows * columns)
      for row in 0..<rows {
        let places =
          twoOfFour
          ? (0..<columns / 4).flatMap { four in (0..<4).shuffled(using: &random).prefix(2).map { four * 4 + $0 } }
          : Array((0..<columns).shuffled(using: &random).prefix(kept(columns)))
        for place in places {
          let value = Float(Float16(Float.random(in: 0.05...0.2, using: &random)))
          values[row * columns + place] = Bool.random(using: &random) ? value : -value
        }
      }
      return (parts(of: values, name, rows, columns, twoOfFour), values)
    }
  }

  static func parts(
    of values: [Float], _ name: String, _ rows: Int, _ columns: Int, _ twoOfFour: Bool
  ) -> [Part] {
    let line = (columns + 7) / 8
    var mask = [UInt8](repeating: 0, count: rows * line)
    var counts = [Int](repeating: 0, count: rows)
    for (index, value) in values.enumerated() where value != 0 {
      mask[index / columns * line + index % columns / 8] |= 1 << UInt8(index % columns % 8)
      counts[index / columns] += 1
    }
    let stored = values.filter { $0 != 0 }
    var parts = [
      Part(name: name + ".shape", type: "I64", shape: twoOfFour ? [2, 1] : [2], bytes: numbers([rows, columns])),
      Part(
        name: name + ".compressed", type: "F16", shape: twoOfFour ? [rows, columns / 2] : [stored.count],
        bytes: halves(stored)),
      Part(name: name + ".bitmask", type: "U8", shape: [rows, line], bytes: mask),
    ]
    if !twoOfFour {
      let offsets = counts.indices.map { counts[..<$0].reduce(0, +) }
      parts.append(Part(name: name + ".row_offsets", type: "I64", shape: [rows], bytes: numbers(offsets)))
    }
    return parts
  }

  private static func numbers(_ values: [Int]) -> [UInt8] {
    values.flatMap { withUnsafeBytes(of: Int64($0).littleEndian, Array.init) }
  }
}
