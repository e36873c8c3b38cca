// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import Quantities

/// Wall-clock timing by the monotonic clock, which no adjustment of the date moves.
enum Timing {
  private static let origin = SuspendingClock.now

  /// Seconds since some moment.
  static func now() -> Double {
    let passed = (SuspendingClock.now - origin).components
    return Double(passed.seconds) + Double(passed.attoseconds) * 1e-18
  }

  /// Seconds that `body` takes.
  static func seconds<Failure: Error>(_ body: () throws(Failure) -> Void) throws(Failure) -> Double {
    let start = now()
    try body()
    return now() - start
  }

  static func sleep(_ seconds: Double) { usleep(UInt32(min(1, max(0, seconds)) * 1e6)) }

  /// The present moment as ISO 8601 in UTC.
  static func date() -> String {
    var seconds = time(nil)
    var parts = tm()
    gmtime_r(&seconds, &parts)
    func two(_ value: Int32) -> String { value < 10 ? "0\(value)" : "\(value)" }
    let day = "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))"
    return "\(day)T\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))Z"
  }
}
