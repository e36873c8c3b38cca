// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// Random numbers that a seed repeats on every machine (SplitMix64; Steele, Lea and Flood 2014).
struct SeededNumbers: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
    return mixed ^ mixed >> 31
  }

  /// In 0 ..< 1.
  mutating func uniform() -> Double { Double(next() >> 11) / Double(1 << 53) }

  /// Mean 0, variance 1 (Box and Muller 1958).
  mutating func normal() -> Double {
    let radius = (-2 * log(1 - uniform())).squareRoot()
    return radius * cos(2 * Double.pi * uniform())
  }
}
