// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// The logits behind one token, with the logarithm of their normaliser.
struct LogitRow {
  let logits: UnsafeBufferPointer<Float>
  /// ln Σ exp(logit): what to subtract from a logit for its log-probability.
  let logSum: Double

  init(_ logits: UnsafeBufferPointer<Float>) {
    self.logits = logits
    let top = Double(logits.max() ?? 0)
    logSum = top + log(logits.reduce(0.0) { $0 + exp(Double($1) - top) })
  }

  func logProbability(_ token: Int32) -> Double { Double(logits[Int(token)]) - logSum }

  /// The first of the likeliest tokens.
  var top: Int {
    var best = 0
    for index in logits.indices where logits[index] > logits[best] { best = index }
    return best
  }

  /// Σ p ln(p / q) in nats, p being this row's probabilities and q the other's.
  func divergence(from other: LogitRow) -> Double {
    var sum = 0.0
    for index in logits.indices {
      let logarithm = Double(logits[index]) - logSum
      sum += exp(logarithm) * (logarithm - (Double(other.logits[index]) - other.logSum))
    }
    return sum
  }
}

/// Room for the logits of several tokens, kept while another model makes its own.
final class LogitBuffer {
  private let storage: UnsafeMutableBufferPointer<Float>
  private let vocabulary: Int
  let rows: Int

  /// Bytes that the buffer takes at most, unless a single row takes more.
  static let mostBytes = 64 << 20

  init(vocabulary: Int) {
    self.vocabulary = vocabulary
    rows = max(1, min(128, Self.mostBytes / max(1, vocabulary * 4)))
    storage = .allocate(capacity: rows * vocabulary)
  }

  deinit { storage.deallocate() }

  func store(_ logits: UnsafeMutableBufferPointer<Float>, row: Int) {
    for index in 0..<vocabulary { storage[row * vocabulary + index] = logits[index] }
  }

  func row(_ row: Int) -> LogitRow {
    LogitRow(UnsafeBufferPointer(rebasing: storage[row * vocabulary..<(row + 1) * vocabulary]))
  }
}
