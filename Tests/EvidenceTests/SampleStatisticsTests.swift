// SPDX-License-Identifier: Apache-2.0
import Evidence
import TestSupport
import Testing

@Suite struct SampleStatisticsTests {
  /// Probability that the k-th smallest to the k-th largest of n samples hold the median of any continuous
  /// distribution: between k and n − k of them are below it.
  private static func coverage(samples n: Int, from k: Int) -> Double {
    var choose = 1.0
    var sum = 0.0
    for below in 0...n {
      if below >= k, below <= n - k { sum += choose }
      choose *= Double(n - below) / Double(below + 1)
    }
    for _ in 0..<n { sum /= 2 }
    return sum
  }

  /// The rank of the interval's lower end, counted from 1.
  private static func rank(samples n: Int) -> Int {
    let statistics = SampleStatistics((1...n).map(Double.init))
    return Int(statistics.interval.low)
  }

  @Test func `the rate of all work together weighs slow samples by the time they take`() {
    // 60 km at 20 and at 60 km/h: 120 km in four hours.
    #expect(SampleStatistics([20, 60]).meanRate == 30)
    #expect(SampleStatistics([4, 4, 4]).meanRate == 4)
    #expect(SampleStatistics([]).meanRate.isNaN)
  }

  @Test func `a quarter of the others do not exceed the lower quartile`() {
    #expect(SampleStatistics([3]).lowerQuartile == 3)
    #expect(SampleStatistics([4, 3, 2]).lowerQuartile == 2)
    #expect(SampleStatistics([5, 1, 4, 2, 3]).lowerQuartile == 2)
    #expect(SampleStatistics((1...9).map(Double.init)).lowerQuartile == 3)
    #expect(SampleStatistics([]).lowerQuartile.isNaN)
  }

  @Test func `the interval is symmetric, covers the median with 80 %, and the next narrower one would not`() {
    for n in 4...40 {
      let interval = SampleStatistics((1...n).map(Double.init)).interval
      let rank = Self.rank(samples: n)
      #expect(interval.low + interval.high == Double(n + 1), "\(n) samples")
      #expect(Self.coverage(samples: n, from: rank) >= 0.8, "\(n) samples")
      #expect(Self.coverage(samples: n, from: rank + 1) < 0.8, "\(n) samples")
    }
  }

  /// Worked by hand: the coverage of ranks k and n + 1 − k is 1 − 2 P(Bin(n, 1/2) < k).
  @Test(arguments: [(4, 1, 0.875), (5, 1, 0.9375), (6, 2, 0.78125), (7, 2, 0.875), (10, 3, 0.890625)])
  func `the coverage of an interval of order statistics is the binomial one`(
    _ samples: Int, _ rank: Int, _ coverage: Double
  ) {
    #expect(abs(Self.coverage(samples: samples, from: rank) - coverage) < 1e-12)
  }

  @Test func `five samples or fewer give the whole range`() {
    for n in 1...5 {
      let interval = SampleStatistics((0..<n).map { Double($0 * $0) }.reversed()).interval
      #expect(interval.low == 0)
      #expect(interval.high == Double((n - 1) * (n - 1)))
    }
  }

  @Test func `the interval of random samples holds the true median as often as it says`() {
    var random = SeededRandom(seed: 20)
    for n in [5, 9, 20] {
      let rounds = 4000
      let hits = (0..<rounds).count { _ in
        // A lopsided distribution with median 1/4.
        let interval = SampleStatistics(
          (0..<n).map { _ in
            let uniform = Double.random(in: 0..<1, using: &random)
            return uniform * uniform
          }
        ).interval
        return interval.low <= 0.25 && 0.25 <= interval.high
      }
      let expected = Self.coverage(samples: n, from: Self.rank(samples: n))
      // Four standard deviations of the count.
      let tolerance = 4 * (expected * (1 - expected) / Double(rounds)).squareRoot()
      #expect(abs(Double(hits) / Double(rounds) - expected) < tolerance, "\(n) samples")
    }
  }

  @Test func `the median is the middle one, or between the two middle ones`() {
    #expect(SampleStatistics([3, 1, 2]).median == 2)
    #expect(SampleStatistics([4, 1, 3, 2]).median == 2.5)
    #expect(SampleStatistics([7]).median == 7)
    #expect(SampleStatistics([]).median.isNaN)
    #expect(SampleStatistics([]).interval.low.isNaN)
  }

  @Test func `the order of samples changes no figure, and is kept`() {
    var random = SeededRandom(seed: 3)
    for n in 1...30 {
      let samples = (0..<n).map { _ in Double.random(in: 1...100, using: &random) }
      let shuffled = samples.shuffled(using: &random)
      let (one, other) = (SampleStatistics(samples), SampleStatistics(shuffled))
      #expect(one.median == other.median)
      #expect(one.interval == other.interval)
      #expect(abs(one.coefficientOfVariation - other.coefficientOfVariation) < 1e-12)
      #expect(other.samples == shuffled)
      #expect(one.interval.low <= one.median && one.median <= one.interval.high)
    }
  }

  @Test func `the scatter is the sample deviation over the mean`() {
    // Mean 5, squares 9 + 1 + 1 + 1 + 0 + 0 + 4 + 16 = 32, over 7.
    let statistics = SampleStatistics([2, 4, 4, 4, 5, 5, 7, 9])
    #expect(abs(statistics.coefficientOfVariation - (32.0 / 7).squareRoot() / 5) < 1e-15)
    #expect(SampleStatistics([5]).coefficientOfVariation == 0)
    #expect(SampleStatistics([5, 5, 5]).coefficientOfVariation == 0)
  }
}
