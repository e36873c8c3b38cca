// SPDX-License-Identifier: Apache-2.0
package import Hardware
internal import LanguageModel
internal import Quantities

/// The rates of one calibration at about one thread count, looked up by format and size.
///
/// Each rate is that of the nearest count that it was measured with: a calibration measures each phase with the count
/// that it has.
package struct RateBook: Sendable {
  /// A rate and half the width of its interval as a fraction.
  package struct Rate: Sendable, Equatable {
    package var perSecond: Double
    package var spread: Double

    init(perSecond: Double, spread: Double) {
      self.perSecond = perSecond
      self.spread = spread
    }

    init(_ rate: Calibration.Rate) {
      self.init(perSecond: rate.perSecond, spread: (rate.high - rate.low) / 2 / rate.perSecond)
    }
  }

  package let threads: Int
  private let all: [Calibration.Rate]
  private let products: [String: RateCurve]
  private let batchedProducts: [String: [(batch: Int, curve: RateCurve)]]
  private let attentionRates: [KeyValueFormat: [AttentionRates]]
  private let promptAttentionRates: [KeyValueFormat: [AttentionRates]]
  private let overheads: [Calibration.Overhead]

  /// - Parameters:
  ///   - threads: the count wanted; the nearest one with rates of the phase's product is taken.
  ///   - product: `.matvec` for decoding, `.gemm` for prompts.
  package init(_ calibration: Calibration, threads: Int, product: Calibration.Rate.Operation = .matvec) {
    let measured = calibration.rates.filter { $0.operation == product }
    let most = measured.map(\.batch).max()
    let counts = Set(measured.filter { $0.batch == most }.map(\.threads))
    let chosen = counts.min { (abs($0 - threads), $0) < (abs($1 - threads), $1) } ?? threads
    self.threads = chosen
    all = Self.nearest(calibration.rates.filter { $0.perSecond > 0 }, \.threads, to: chosen) { rate in
      [rate.operation.rawValue, rate.format, "\(rate.batch)", "\(rate.operandBytes)", "\(rate.columns)"]
    }
    overheads = Self.nearest(calibration.overheads, \.threads, to: chosen, by: \.kind)
    attentionRates = Self.attentionRates(all, .attention)
    promptAttentionRates = Self.attentionRates(all, .attentionPrefill)
    products = Self.byFormat(all, .matvec).mapValues(RateCurve.init)
    batchedProducts = Self.byFormat(all, .gemm).mapValues { rates in
      RateCurve.byBatch(rates)
    }
  }

  /// Of the values with the same key the one whose count is nearest, in their order.
  private static func nearest<Value, Key: Hashable>(
    _ values: [Value], _ count: (Value) -> Int, to wanted: Int, by key: (Value) -> Key
  ) -> [Value] {
    var places: [Key: Int] = [:]
    var result: [Value] = []
    for value in values {
      let key = key(value)
      guard let place = places[key] else {
        places[key] = result.count
        result.append(value)
        continue
      }
      if abs(count(value) - wanted) < abs(count(result[place]) - wanted) { result[place] = value }
    }
    return result
  }

  private static func byFormat(
    _ rates: [Calibration.Rate], _ operation: Calibration.Rate.Operation
  ) -> [String: [Calibration.Rate]] {
    Dictionary(grouping: rates.filter { $0.operation == operation }, by: \.format)
  }

  package func overhead(_ kind: Calibration.Overhead.Kind) -> Double? {
    overheads.first { $0.kind == kind }?.amount
  }

  /// Seconds of starting and joining the threads; 0 where nobody measured them.
  var barrier: Double { overhead(.barrier) ?? 0 }

  /// Bytes per second of wide reads; 0 where nobody measured them.
  var readBandwidth: Double { rate(.read) ?? 0 }

  /// The best rate of an operation.
  package func rate(_ operation: Calibration.Rate.Operation) -> Double? {
    all.lazy.filter { $0.operation == operation }.map(\.perSecond).max()
  }

  /// - Parameter format: the name of a `RuntimeFormat`.
  package func matvec(_ format: String, jobBytes: Double) throws(NoSpeed) -> Rate {
    if let curve = products[format] { return curve.rate(at: jobBytes) }
    guard let kept = SparsePattern.keptPermille(of: format),
      let rate = KeptRates(products, jobBytes: jobBytes).rate(keptPermille: kept)
    else { throw Self.notMeasured(format) }
    return rate
  }

  /// Operations per second of a product with `batch` vectors.
  ///
  /// Between two measured counts, of which one vector is the least, the time per weight is linear in the count: first the
  /// bytes limit it, then the arithmetic. Beyond the largest the rate is constant.
  package func gemm(_ format: String, batch: Double, jobBytes: Double) throws(NoSpeed) -> Rate {
    guard let curves = batchedProducts[format] ?? KeptRates.nearest(to: format, in: batchedProducts),
      let last = curves.last
    else { throw Self.notMeasured(format) }
    guard batch < Double(last.batch) else { return last.curve.rate(at: jobBytes) }
    var points = curves.map { (batch: Double($0.batch), rate: $0.curve.rate(at: jobBytes)) }
    if let kernel = RuntimeFormat.named(format), var one = try? matvec(format, jobBytes: jobBytes) {
      one.perSecond *= 2 * Double(kernel.elementsPerBlock) / Double(kernel.bytesPerBlock)
      points.insert((1, one), at: 0)
    }
    return Self.rate(of: points, at: batch)
  }

  /// The time per byte is linear between two counts of vectors that meet it; outside of all the rate is constant.
  private static func rate(of points: [(batch: Double, rate: Rate)], at batch: Double) -> Rate {
    guard let upper = points.firstIndex(where: { batch <= $0.batch }) else { return points[points.count - 1].rate }
    guard upper > 0 else { return points[0].rate }
    let (low, high) = (points[upper - 1], points[upper])
    let share = (batch - low.batch) / (high.batch - low.batch)
    let time = (1 - share) * low.batch / low.rate.perSecond + share * high.batch / high.rate.perSecond
    return Rate(perSecond: batch / time, spread: max(low.rate.spread, high.rate.spread))
  }

  private static func notMeasured(_ format: String) -> NoSpeed {
    NoSpeed("no kernel for \(format) was measured here")
  }

  private static func distance(_ left: Int, _ right: Int) -> Double {
    Double(max(left, right)) / Double(max(1, min(left, right)))
  }

  /// Operations per second of attention with heads of about that width; of another cache format when need be.
  ///
  /// - Parameter queries: heads that share a KV head, so that each cached row is read once for all of them; of a prompt,
  ///   whose tokens share the rows too, those of all its tokens.
  /// - Parameter cachedBytes: keys and values of a layer that are seen: many come from farther away than few.
  package func attention(
    _ operation: Calibration.Rate.Operation, _ format: KeyValueFormat, width: Int, queries: Int,
    cachedBytes: Double = 0
  ) -> Double? {
    let table = operation == .attention ? attentionRates : promptAttentionRates
    let nearest = (table[format] ?? table[.f16])?.min {
      Self.distance($0.width, width) < Self.distance($1.width, width)
    }
    return nearest.map { rates in
      let points = rates.curves.map { (batch: Double($0.batch), rate: $0.curve.rate(at: cachedBytes)) }
      return Self.rate(of: points, at: Double(queries)).perSecond
    }
  }

  /// Rates of one width of head by the queries that share a cached row.
  private struct AttentionRates {
    let width: Int
    let curves: [(batch: Int, curve: RateCurve)]
  }

  private static func attentionRates(
    _ rates: [Calibration.Rate], _ operation: Calibration.Rate.Operation
  ) -> [KeyValueFormat: [AttentionRates]] {
    var result: [KeyValueFormat: [Calibration.Rate]] = [:]
    for rate in rates where rate.operation == operation {
      if let format = KeyValueFormat(rawValue: rate.format) { result[format, default: []].append(rate) }
    }
    return result.mapValues { rates in
      Dictionary(grouping: rates, by: \.columns)
        .map { AttentionRates(width: $0.key, curves: RateCurve.byBatch($0.value)) }.sorted { $0.width < $1.width }
    }
  }

  /// Bytes of activations per second at about that batch.
  package func elementwise(batch: Int) -> Double? {
    all.filter { $0.operation == .elementwise }
      .min { Self.distance($0.batch, batch) < Self.distance($1.batch, batch) }?.perSecond
  }
}

/// Rates of one kernel by the bytes of a job.
struct RateCurve: Sendable {
  private let points: [(logSize: Double, rate: RateBook.Rate)]

  /// One curve for each count of vectors.
  static func byBatch(_ rates: [Calibration.Rate]) -> [(batch: Int, curve: RateCurve)] {
    Dictionary(grouping: rates, by: \.batch).map { (batch: $0.key, curve: RateCurve($0.value)) }
      .sorted { $0.batch < $1.batch }
  }

  init(_ rates: [Calibration.Rate]) {
    points = rates.map { (Logarithm.natural(Double(max(1, $0.operandBytes))), RateBook.Rate($0)) }
      .sorted { $0.logSize < $1.logSize }
  }

  /// Between two measured sizes the time per byte is linear in the logarithm of the size; beyond them it is constant.
  func rate(at size: Double) -> RateBook.Rate {
    guard let first = points.first, let last = points.last else {
      return RateBook.Rate(perSecond: .infinity, spread: 1)
    }
    guard points.count > 1 else { return first.rate }
    let position = Logarithm.natural(max(1, size))
    guard position > first.logSize else { return first.rate }
    guard position < last.logSize else { return last.rate }
    let index = points.firstIndex { position <= $0.logSize } ?? points.count - 1
    let (lower, upper) = (points[index - 1], points[index])
    let share = (position - lower.logSize) / (upper.logSize - lower.logSize)
    let slowness = (1 - share) / lower.rate.perSecond + share / upper.rate.perSecond
    return RateBook.Rate(perSecond: 1 / slowness, spread: max(lower.rate.spread, upper.rate.spread))
  }
}
