// SPDX-License-Identifier: Apache-2.0
internal import LanguageModel

/// What products with rows of kept weights take at any share of them, from the shares that were measured.
///
/// A mask is walked whatever it keeps, and kept weights are read besides: the time per weight is linear in their share.
/// Masks and lists have kernels of their own.
struct KeptRates {
  private typealias Point = (kept: Double, secondsPerWeight: Double, spread: Double)
  private let masks: [Point]
  private let lists: [Point]

  /// - Parameter products: bytes per second by format and size.
  init(_ products: [String: RateCurve], jobBytes: Double) {
    let points = products.compactMap { name, curve -> Point? in
      guard let kept = SparsePattern.keptPermille(of: name), let bytes = Self.bytesPerWeight(kept) else { return nil }
      let rate = curve.rate(at: jobBytes)
      return (Double(kept), bytes / rate.perSecond, rate.spread)
    }
    let isList = { (point: Point) in point.kept <= Double(RuntimeFormat.mostListedPermille) }
    masks = points.filter { !isList($0) }.sorted { $0.kept < $1.kept }
    lists = points.filter(isList).sorted { $0.kept < $1.kept }
  }

  /// Bytes per second, as of measured formats; nil where none of the kind was measured.
  func rate(keptPermille: Int) -> RateBook.Rate? {
    let points = keptPermille <= RuntimeFormat.mostListedPermille ? lists : masks
    guard let bytes = Self.bytesPerWeight(keptPermille), let first = points.first else { return nil }
    let spread = points.map(\.spread).max() ?? 0
    guard points.count > 1 else {
      return Self.bytesPerWeight(Int(first.kept)).map {
        RateBook.Rate(perSecond: $0 / first.secondsPerWeight, spread: spread)
      }
    }
    // The two neighbours, or the two at the end that is nearer.
    let upper = min(max(1, points.firstIndex { Double(keptPermille) <= $0.kept } ?? points.count - 1), points.count - 1)
    let (low, high) = (points[upper - 1], points[upper])
    let share = (Double(keptPermille) - low.kept) / (high.kept - low.kept)
    let seconds = low.secondsPerWeight + share * (high.secondsPerWeight - low.secondsPerWeight)
    // Less than a share of the nearest time would be an artefact of two close points.
    let least = min(low.secondsPerWeight, high.secondsPerWeight) / 4
    return RateBook.Rate(perSecond: bytes / max(seconds, least), spread: spread)
  }

  private static func bytesPerWeight(_ keptPermille: Int) -> Double? {
    RuntimeFormat.keptRows(permille: keptPermille, columns: RuntimeFormat.referenceColumns).map {
      Double($0.bytesPerBlock) / Double($0.elementsPerBlock)
    }
  }

  /// The measurements of the kept share that is nearest to a format's, of its kind where there is one.
  static func nearest<Value>(to format: String, in table: [String: Value]) -> Value? {
    guard let kept = SparsePattern.keptPermille(of: format) else { return nil }
    let most = RuntimeFormat.mostListedPermille
    func distance(_ other: Int) -> Int { abs(other - kept) + ((other <= most) == (kept <= most) ? 0 : 1000) }
    let found = table.compactMap { name, value in
      SparsePattern.keptPermille(of: name).map { (distance: distance($0), name: name, value: value) }
    }
    return found.min { ($0.distance, $0.name) < ($1.distance, $1.name) }?.value
  }
}
