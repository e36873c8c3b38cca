// SPDX-License-Identifier: Apache-2.0
internal import Quantities

/// A figure with its standard error; the error is unknown (nil) for a single sample.
package struct Estimate: Sendable, Equatable {
  package var value: Double
  package var standardError: Double?

  package init(_ value: Double, standardError: Double? = nil) {
    self.value = value
    self.standardError = standardError
  }
}

/// Adds up samples of one quantity for their mean and its standard error.
package struct RunningMean: Sendable, Equatable {
  package private(set) var count = 0
  private var mean = 0.0
  /// Σ (sample − mean)², updated as the mean moves (Welford): no difference of two large sums.
  private var squares = 0.0

  package init(_ samples: some Sequence<Double> = []) { for sample in samples { add(sample) } }

  package mutating func add(_ sample: Double) {
    count += 1
    let distance = sample - mean
    mean += distance / Double(count)
    squares += distance * (sample - mean)
  }

  package var sum: Double { mean * Double(count) }

  /// The mean and s / √n with the sample's standard deviation s; nil without samples.
  package var estimate: Estimate? {
    guard count > 0 else { return nil }
    guard count > 1 else { return Estimate(mean) }
    return Estimate(mean, standardError: (squares / Double(count - 1) / Double(count)).squareRoot())
  }
}

extension Estimate {
  /// e to the power of the figure; the error follows to first order.
  package var exponential: Estimate {
    let value = Logarithm.exponential(self.value)
    return Estimate(value, standardError: standardError.map { $0 * value })
  }
}

/// How likely a model found a text.
package struct TextScore: Sendable, Equatable {
  package var method: WindowMethod
  package var contextTokens: Int
  package var strideTokens: Int
  /// Negative log-likelihood of each judged token, in nats.
  package var likelihood: RunningMean
  /// Of the text that was judged whole; nil when some tokens were left out.
  package var extent: TextExtent?

  package init(
    method: WindowMethod, contextTokens: Int, strideTokens: Int, likelihood: RunningMean = .init(),
    extent: TextExtent? = nil
  ) {
    self.method = method
    self.contextTokens = contextTokens
    self.strideTokens = strideTokens
    self.likelihood = likelihood
    self.extent = extent
  }

  package var perplexity: Estimate? { likelihood.estimate?.exponential }
  /// exp(−Σ ln p / words), as the lm-evaluation-harness defines it.
  package var wordPerplexity: Double? { extent.map { Logarithm.exponential(likelihood.sum / Double($0.words)) } }
  package var bytePerplexity: Double? { extent.map { Logarithm.exponential(likelihood.sum / Double($0.bytes)) } }
  package var bitsPerByte: Double? { extent.map { likelihood.sum / Double($0.bytes) / Logarithm.natural(2) } }
}

/// How long a text is, counted as the lm-evaluation-harness does.
package struct TextExtent: Sendable, Equatable {
  /// Bytes of its UTF-8.
  package var bytes: Int
  /// Pieces between runs of white space; a run at either end has an empty piece beside it.
  package var words: Int

  package init(bytes: Int, words: Int) {
    self.bytes = bytes
    self.words = words
  }

  package init(of text: String) {
    var runs = 0
    var isInside = false
    for scalar in text.unicodeScalars {
      // What Python's `\s` matches: Unicode's white space and the four separators of ASCII.
      let isSpace = scalar.properties.isWhitespace || (0x1C...0x1F).contains(scalar.value)
      if isSpace, !isInside { runs += 1 }
      isInside = isSpace
    }
    self.init(bytes: text.utf8.count, words: runs + 1)
  }
}
