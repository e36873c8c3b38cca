// SPDX-License-Identifier: Apache-2.0
import Glibc
internal import LanguageModel

/// Cosines and sines of rotary position embedding (RoFormer, arXiv 2104.09864) for a run of positions.
///
///     angle(position, i) = position / linearFactor · base^(−2i / width) / divisor(i),   i in 0 ..< width / 2
struct RopeTable: @unchecked Sendable {
  let width: Int
  private let frequencies: [Double]
  private let table: UnsafeMutablePointer<Float>
  private let linearFactor: Double

  /// - Parameters:
  ///   - divisors: what a file divides each frequency by; nil takes the configuration's scaling, if it has one.
  ///   - table: room for `tokens` × `width` floats: a position's cosines, then its sines.
  init(rules: ForwardRules, divisors: [Double]?, headWidth: Int, table: UnsafeMutablePointer<Float>) {
    let rotated = min(rules.ropeWidth ?? headWidth, headWidth)
    width = rotated
    let divisors = divisors ?? rules.ropeScaling?.divisors(width: rotated, base: rules.ropeBase)
    frequencies = (0..<rotated / 2).map { pair in
      let frequency = pow(rules.ropeBase, -2 * Double(pair) / Double(rotated))
      guard let divisors, pair < divisors.count, divisors[pair] > 0 else { return frequency }
      return frequency / divisors[pair]
    }
    linearFactor = rules.ropeLinearFactor
    self.table = table
  }

  /// Fills the rows of `count` positions from `first` on.
  func fill(from first: Int, count: Int) {
    for row in 0..<count {
      let position = Double(first + row) / linearFactor
      let cosines = table + row * width
      for (i, frequency) in frequencies.enumerated() {
        cosines[i] = Float(cos(position * frequency))
        cosines[i + width / 2] = Float(sin(position * frequency))
      }
    }
  }

  func cosines(row: Int) -> UnsafePointer<Float> { UnsafePointer(table + row * width) }
  func sines(row: Int) -> UnsafePointer<Float> { UnsafePointer(table + row * width + width / 2) }
}
