// SPDX-License-Identifier: Apache-2.0
internal import CostModel
internal import Evidence
internal import Hardware
internal import Quantities

/// The samples of a calibration, gathered by what was measured.
struct RateSamples {
  struct Key: Hashable {
    var operation: Calibration.Rate.Operation
    var format: String
    var threads: Int?
    var batch: Int
    var operandBytes: Int
    var columns: Int

    init(
      _ operation: Calibration.Rate.Operation, format: String = "", threads: Int? = nil, batch: Int = 1,
      operandBytes: Int = 0, columns: Int = 0
    ) {
      self.operation = operation
      self.format = format
      self.threads = threads
      self.batch = batch
      self.operandBytes = operandBytes
      self.columns = columns
    }
  }

  /// What stands for all samples of a rate.
  enum Middle {
    /// Whatever single samples say.
    case median
    /// The rate of all the work together, where samples are many and short, and what they stand for is long.
    case meanRate
  }

  /// The middle, and the middle 80 % of the samples.
  struct Spread {
    let middle: Double
    let low: Double
    let high: Double

    init(_ samples: [Double], _ kind: Middle = .median) {
      let sorted = samples.sorted()
      let last = max(0, sorted.count - 1)
      middle =
        switch kind {
        case _ where sorted.isEmpty: 0
        case .median: sorted[sorted.count / 2]
        case .meanRate: SampleStatistics(sorted).meanRate
        }
      low = sorted.isEmpty ? 0 : sorted[last / 10]
      high = sorted.isEmpty ? 0 : sorted[last - last / 10]
    }

    var relative: Double { middle > 0 ? (high - low) / 2 / middle : 0 }
  }

  /// Above this half-width the samples of one rate say that something else was running.
  static let believable = 0.08

  /// The threads of rates whose key names none.
  let threads: ThreadCounts
  private let middle: Middle
  private var samples: [Key: [Double]] = [:]
  private var order: [Key] = []

  init(threads: ThreadCounts, middle: Middle = .median) {
    self.threads = threads
    self.middle = middle
  }

  mutating func add(_ key: Key, _ perSecond: Double) {
    if samples[key] == nil { order.append(key) }
    samples[key, default: []].append(perSecond)
  }

  /// Products and prompts' attention as their rows say, arithmetic as prompts, all else as decoding.
  private func threads(of key: Key) -> Int {
    switch key.operation {
    case .gemm, .attentionPrefill: threads.count(rows: key.batch)
    case .floatPeak, .integerPeak: threads.prefill
    default: threads.decode
    }
  }

  func median(_ key: Key) -> Double? { samples[key].map { Spread($0).middle } }

  var rates: [Calibration.Rate] {
    order.map { key in
      let values = samples[key] ?? []
      let spread = Spread(values, middle)
      return Calibration.Rate(
        key.operation, format: key.format, threads: key.threads ?? threads(of: key), batch: key.batch,
        operandBytes: key.operandBytes, columns: key.columns, perSecond: spread.middle, low: spread.low,
        high: spread.high, samples: values.count)
    }
  }

  var warnings: [String] {
    let scattered = rates.filter { $0.samples > 2 && ($0.high - $0.low) / 2 / $0.perSecond > Self.believable }
    guard scattered.count * 4 > rates.count else { return [] }
    return [
      "\(scattered.count) of \(rates.count) rates scatter by more than 8 %: the machine was busy, so measure again later"
    ]
  }
}
