// SPDX-License-Identifier: Apache-2.0

/// How a number is known, strongest first. Arithmetic keeps the weakest.
package enum Basis: String, Codable, Sendable, CaseIterable, Comparable {
  /// Read on this machine by a run or a counter.
  case measured
  /// A formula whose constants were measured on this machine.
  case calibrated
  /// A formula with cited constants.
  case modelled
  /// Somebody's published figure, cited.
  case published
  /// Not known; the reason says why.
  case unknown

  package static func < (left: Basis, right: Basis) -> Bool { left.rank < right.rank }
  private var rank: Int {
    switch self {
    case .measured: 0
    case .calibrated: 1
    case .modelled: 2
    case .published: 3
    case .unknown: 4
    }
  }
}

/// A quantity, its interval, and how we know it. Unknown is a case of its own and never becomes zero.
///
/// The interval covers the central 80 % (P10 to P90) of what was measured or calibrated here, and the central 90 % of what
/// is fitted or widened by published figures, whose source says so; an exact count has `low == value == high`.
package enum Known<Value: Quantity>: Sendable, Equatable {
  case known(Value, low: Value, high: Value, basis: Basis, source: String?)
  case unknown(reason: String)

  /// A value without spread, such as the sum of a list of tensors.
  package static func exact(_ value: Value, _ basis: Basis, source: String? = nil) -> Known {
    .known(value, low: value, high: value, basis: basis, source: source)
  }

  /// A value whose error is `fraction` of it in both directions (0.1 is ten per cent), in log space.
  package static func within(_ fraction: Double, of value: Value, _ basis: Basis, source: String? = nil) -> Known {
    .known(
      value, low: Value(magnitude: value.magnitude / (1 + fraction)),
      high: Value(magnitude: value.magnitude * (1 + fraction)), basis: basis, source: source)
  }

  /// The interval widened where it does not reach a factor either way.
  ///
  /// - Parameter newSource: what the wider interval is told to come from; nil keeps the source.
  package func stretched(toAtLeast factor: Double, source newSource: String? = nil) -> Known {
    guard factor > 1, case .known(let value, let low, let high, let basis, let source) = self else { return self }
    return .known(
      value, low: Value(magnitude: min(low.magnitude, value.magnitude / factor)),
      high: Value(magnitude: max(high.magnitude, value.magnitude * factor)), basis: basis,
      source: newSource ?? source)
  }

  /// The same with another source.
  package func told(from newSource: String) -> Known {
    guard case .known(let value, let low, let high, let basis, _) = self else { return self }
    return .known(value, low: low, high: high, basis: basis, source: newSource)
  }

  package var value: Value? { if case .known(let value, _, _, _, _) = self { value } else { nil } }
  package var low: Value? { if case .known(_, let low, _, _, _) = self { low } else { nil } }
  package var high: Value? { if case .known(_, _, let high, _, _) = self { high } else { nil } }
  package var basis: Basis { if case .known(_, _, _, let basis, _) = self { basis } else { .unknown } }
  package var source: String? { if case .known(_, _, _, _, let source) = self { source } else { nil } }
  package var reason: String? { if case .unknown(let reason) = self { reason } else { nil } }

  /// Applies a monotonic function; a decreasing one swaps the ends of the interval.
  package func map<Other: Quantity>(_ transform: (Value) -> Other) -> Known<Other> {
    switch self {
    case .unknown(let reason): return .unknown(reason: reason)
    case .known(let value, let low, let high, let basis, let source):
      let ends = [transform(low), transform(high)].sorted()
      return .known(transform(value), low: ends[0], high: ends[1], basis: basis, source: source)
    }
  }

  /// Combines two numbers with a function that is monotonic in each; the interval takes every corner.
  package func combined<Other: Quantity, Result: Quantity>(
    with other: Known<Other>, _ transform: (Value, Other) -> Result
  ) -> Known<Result> {
    guard case .known(let a, let aLow, let aHigh, let aBasis, let aSource) = self else {
      return .unknown(reason: reason ?? "")
    }
    guard case .known(let b, let bLow, let bHigh, let bBasis, let bSource) = other else {
      return .unknown(reason: other.reason ?? "")
    }
    let corners = [transform(aLow, bLow), transform(aLow, bHigh), transform(aHigh, bLow), transform(aHigh, bHigh)]
    let center = transform(a, b)
    return .known(
      center, low: corners.min() ?? center, high: corners.max() ?? center, basis: max(aBasis, bBasis),
      source: aBasis >= bBasis ? aSource ?? bSource : bSource ?? aSource)
  }
}

extension Known where Value: AdditiveQuantity {
  /// Sums of values and of both ends; estimates add millions of these, so it does without the corners of `combined`.
  package static func + (left: Known, right: Known) -> Known {
    guard case .known(let a, let aLow, let aHigh, let aBasis, let aSource) = left else { return left }
    guard case .known(let b, let bLow, let bHigh, let bBasis, let bSource) = right else { return right }
    return .known(
      a + b, low: aLow + bLow, high: aHigh + bHigh, basis: max(aBasis, bBasis),
      source: aBasis >= bBasis ? aSource ?? bSource : bSource ?? aSource)
  }
}
