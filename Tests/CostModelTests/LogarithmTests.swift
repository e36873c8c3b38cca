// SPDX-License-Identifier: Apache-2.0
import Foundation
import Quantities
import TestSupport
import Testing

/// The floor without imports has its own logarithm; the C library's is its twin.
@Suite struct LogarithmTests {
  @Test func `the logarithm is the C library's to 1e-13`() {
    var random = SeededRandom(seed: 5)
    for _ in 0..<20_000 {
      let value = pow(10, Double.random(in: -300...300, using: &random))
      let expected = log(value)
      #expect(abs(Logarithm.natural(value) - expected) <= 1e-13 * max(1, abs(expected)), "\(value)")
      #expect(abs(Logarithm.decimal(value) - log10(value)) <= 1e-13 * max(1, abs(expected)), "\(value)")
    }
    for value in [
      1, 1.5, 1.5.nextUp, 2, 0.75, 1.0.nextDown, 1.0.nextUp, Double.leastNonzeroMagnitude, .greatestFiniteMagnitude,
    ] {
      #expect(abs(Logarithm.natural(value) - log(value)) <= 1e-13 * max(1, abs(log(value))), "\(value)")
    }
  }

  @Test func `the exponential is the C library's to 1e-13`() {
    var random = SeededRandom(seed: 6)
    for _ in 0..<20_000 {
      let value = Double.random(in: -700...700, using: &random)
      #expect(abs(Logarithm.exponential(value) / exp(value) - 1) <= 1e-13, "\(value)")
    }
    for value in [0, 1, -1, 0.5, 1e-300, 708.9] {
      #expect(abs(Logarithm.exponential(value) / exp(value) - 1) <= 1e-13, "\(value)")
    }
  }

  @Test func `the ends are the C library's`() {
    #expect(Logarithm.natural(0) == -.infinity)
    #expect(Logarithm.natural(.infinity) == .infinity)
    #expect(Logarithm.natural(-1).isNaN)
    #expect(Logarithm.natural(.nan).isNaN)
    #expect(Logarithm.exponential(800) == .infinity)
    #expect(Logarithm.exponential(-800) == 0)
    #expect(Logarithm.exponential(.nan).isNaN)
  }
}
