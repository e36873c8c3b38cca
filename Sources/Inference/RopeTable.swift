// SPDX-License-Identifier: Apache-2.0
import CKernels
import Glibc
internal import LanguageModel

/// Cosines and sines of rotary position embedding (RoFormer, arXiv 2104.09864) for a run of positions.
///
///     angle(position, i) = position · base^(−2i / width) / divisor(i),   i in 0 ..< width / 2
///
/// The scaling of a model gives the divisors, and a magnitude that multiplies cosines and sines.
struct RopeTable: @unchecked Sendable {
  let width: Int
  let pairing: RopeRules.Pairing
  let frequencies: [Double]
  private let magnitude: Double
  private let table: UnsafeMutablePointer<Float>

  /// - Parameters:
  ///   - factors: what a file divides each frequency by; nil takes the rules' scaling.
  ///   - table: room for `tokens` × `width` floats: a position's cosines, then its sines.
  init(
    rules: RopeRules, factors: RopeFactors, headWidth: Int, contextTokens: Int, table: UnsafeMutablePointer<Float>
  ) {
    let width = min(rules.width ?? headWidth, headWidth)
    self.width = width
    pairing = rules.pairing
    let unscaled = (0..<width / 2).map { pow(rules.base, -2 * Double($0) / Double(width)) }
    let divisors = Self.divisors(rules, factors, width: width, contextTokens: contextTokens)
    frequencies = zip(unscaled, divisors).map { $1 > 0 ? $0 / $1 : $0 }
    magnitude = rules.scaling.magnitude
    self.table = table
  }

  /// What each frequency is divided by.
  private static func divisors(
    _ rules: RopeRules, _ factors: RopeFactors, width: Int, contextTokens: Int
  ) -> [Double] {
    let pairs = width / 2
    let ones = [Double](repeating: 1, count: pairs)
    func whole(_ list: [Double]?) -> [Double]? { list.flatMap { $0.count == pairs ? $0 : nil } }
    if let all = whole(factors.all) { return all }
    switch rules.scaling {
    case .none: return ones
    case .linear(let factor): return ones.map { $0 * factor }
    case .llama3(let llama): return llama.divisors(width: width, base: rules.base)
    case .yarn(let yarn): return yarn.divisors(width: width, base: rules.base)
    case .longRope(let long):
      let isLong = contextTokens > long.originalContext
      return whole(isLong ? factors.long : factors.short) ?? whole(isLong ? long.longFactors : long.shortFactors)
        ?? ones
    }
  }

  /// Fills rows with the angles of consecutive positions from `first` on.
  func fill(rows: Range<Int>, from first: Int) {
    for row in rows {
      let position = Double(first + row - rows.lowerBound)
      let cosines = table + row * width
      for (i, frequency) in frequencies.enumerated() {
        cosines[i] = Float(magnitude * cos(position * frequency))
        cosines[i + width / 2] = Float(magnitude * sin(position * frequency))
      }
    }
  }

  /// What carries a rotated vector from one position to another one, so many further.
  func turn(by positions: Int) -> RopeTurn {
    let angles = frequencies.map { Double(positions) * $0 }
    return RopeTurn(
      width: width, pairing: pairing, cosines: angles.map { Float(cos($0)) }, sines: angles.map { Float(sin($0)) })
  }

  func cosines(row: Int) -> UnsafePointer<Float> { UnsafePointer(table + row * width) }
  func sines(row: Int) -> UnsafePointer<Float> { UnsafePointer(table + row * width + width / 2) }
}

/// Rotates by the same angles whatever the position: rotations add up, and the magnitude is in the vectors already.
struct RopeTurn: Sendable {
  let width: Int
  let pairing: RopeRules.Pairing
  let cosines: [Float]
  let sines: [Float]

  func apply(to head: UnsafeMutablePointer<Float>) {
    switch pairing {
    case .neighbours: ck_rope_neighbours(head, Int64(width), cosines, sines)
    case .halves: ck_rope_halves(head, Int64(width), cosines, sines)
    }
  }
}

/// The divisors that a file holds as tensors.
struct RopeFactors {
  var all: [Double]?
  var short: [Double]?
  var long: [Double]?

  static let none = RopeFactors()
}

extension RopeScaling {
  /// What multiplies cosines and sines.
  fileprivate var magnitude: Double {
    switch self {
    case .none, .linear, .llama3: 1
    case .yarn(let yarn): yarn.magnitude ?? (yarn.factor > 1 ? 1 + 0.1 * log(yarn.factor) : 1)
    case .longRope(let long): long.magnitude
    }
  }
}

extension YarnRopeScaling {
  /// - Source: YaRN, arXiv 2309.00071, section 3.2: the blend is linear in the index of the frequency.
  fileprivate func divisors(width: Int, base: Double) -> [Double] {
    /// The index of the frequency that turns so many times within the original context.
    func index(turns: Double) -> Double {
      Double(width) * log(originalContext / (turns * 2 * Double.pi)) / (2 * log(base))
    }
    let fast = index(turns: betaFast)
    let slow = index(turns: betaSlow)
    let low = max(0, roundsBounds ? fast.rounded(.down) : fast)
    let high = min(Double(width - 1), roundsBounds ? slow.rounded(.up) : slow)
    return (0..<width / 2).map { pair in
      let share = min(1, max(0, (Double(pair) - low) / max(0.001, high - low)))
      return 1 / (1 - share + share / factor)
    }
  }
}
