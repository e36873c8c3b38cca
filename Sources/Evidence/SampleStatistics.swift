// SPDX-License-Identifier: Apache-2.0

/// Repeated samples of one quantity, and what may be said of their median.
package struct SampleStatistics: Sendable, Equatable {
  /// In the order they were taken.
  package let samples: [Double]

  package init(_ samples: [Double]) { self.samples = samples }

  private var sorted: [Double] { samples.sorted() }

  /// The middle sample, or the mean of the two in the middle; not a number without samples.
  package var median: Double {
    let sorted = self.sorted
    guard !sorted.isEmpty else { return .nan }
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  }

  /// A sample that a quarter of the others do not exceed; not a number without samples.
  package var lowerQuartile: Double {
    let sorted = self.sorted
    return sorted.isEmpty ? .nan : sorted[(sorted.count - 1) / 4]
  }

  /// Of rates over equal amounts of work the rate of all of it: the harmonic mean. Not a number without samples.
  package var meanRate: Double {
    samples.isEmpty ? .nan : Double(samples.count) / samples.reduce(0) { $0 + 1 / $1 }
  }

  /// The narrowest pair of order statistics, equally far from both ends, that holds the true median with a probability
  /// of at least 80 %, whatever the distribution (sign test); all samples when there are fewer than four.
  package var interval: (low: Double, high: Double) {
    let sorted = self.sorted
    guard let first = sorted.first, let last = sorted.last else { return (.nan, .nan) }
    var best = (low: first, high: last)
    var outside = 0.0
    var term = 1.0
    for _ in 0..<sorted.count { term /= 2 }
    for cut in 0..<sorted.count / 2 {
      // Probability that at most `cut` of n samples lie on one side of the median.
      outside += term
      term *= Double(sorted.count - cut) / Double(cut + 1)
      guard 1 - 2 * outside >= 0.8 else { break }
      best = (sorted[cut], sorted[sorted.count - 1 - cut])
    }
    return best
  }

  /// Standard deviation as a share of the mean; 0 for fewer than two samples.
  package var coefficientOfVariation: Double {
    guard samples.count > 1 else { return 0 }
    let mean = samples.reduce(0, +) / Double(samples.count)
    let squares = samples.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    guard mean > 0 else { return 0 }
    return (squares / Double(samples.count - 1)).squareRoot() / mean
  }
}
