// SPDX-License-Identifier: Apache-2.0

/// Why a meter tells nothing, or no longer.
package struct MeterFailure: Error, Equatable, Sendable {
  package var reason: String
  package init(_ reason: String) { self.reason = reason }
}

/// One thing that tells energy or power: a counter's file, a rail, a battery, a device, a program.
struct EnergySource: Sendable {
  enum Reading: Sendable, Equatable {
    /// Counted since some moment.
    case joules(Double)
    case watts(Double)
  }

  struct Stamped: Sendable, Equatable {
    var seconds: Double
    var reading: Reading
  }

  /// What it covers: `package-0`, `VDD_IN`.
  var name: String
  /// False for what is a part of another source, or the whole of several: shown beside and not added.
  var isCounted = true
  var range = CounterRange()
  /// Seconds between the instrument's own updates.
  var refresh: Double
  /// Relative.
  var accuracy = 0.0
  /// Whether it tells by itself, so that the end of a run is told a little later.
  var tellsLater = false
  /// A log is read once, when the run is over.
  var isLog = false
  /// All that it told since the last call, at most until now.
  var read: @Sendable (_ now: Double) throws(MeterFailure) -> [Stamped]

  /// A source that answers with its present value.
  static func polled(
    _ name: String, isCounted: Bool = true, range: CounterRange = CounterRange(), refresh: Double, accuracy: Double = 0,
    _ value: @escaping @Sendable () throws(MeterFailure) -> Reading
  ) -> EnergySource {
    EnergySource(name: name, isCounted: isCounted, range: range, refresh: refresh, accuracy: accuracy) {
      now throws(MeterFailure) in [Stamped(seconds: now, reading: try value())]
    }
  }
}

extension FileTree {
  /// A number of a meter's file; may be negative only where the caller takes the amount.
  func meterValue(_ path: String, remedy: String? = nil) throws(MeterFailure) -> Double {
    do {
      let text = String(decoding: try bytes(path), as: UTF8.self).trimmed
      guard let value = Double(text), value.isFinite else { throw MeterFailure("'\(path)' holds no number") }
      return value
    } catch let failure as MeterFailure {
      throw failure
    } catch let failure as ReadFailure {
      let advice = failure == .permissionDenied ? remedy.map { "; \($0)" } : nil
      throw MeterFailure("'\(path)' cannot be read: \(failure)\(advice ?? "")")
    } catch {
      throw MeterFailure("'\(path)' cannot be read")
    }
  }

  /// A counter's or sensor's number that cannot be below zero.
  func meterAmount(_ path: String, remedy: String? = nil) throws(MeterFailure) -> Double {
    let value = try meterValue(path, remedy: remedy)
    guard value >= 0 else { throw MeterFailure("'\(path)' tells \(value), which no counter can") }
    return value
  }
}
