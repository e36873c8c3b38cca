// SPDX-License-Identifier: Apache-2.0
package import Quantities

/// Why the meter that somebody asked for does not measure.
package enum MeterError: ExplainedError, Equatable {
  /// The program does not start, or ended before its first figure.
  case commandEnded(command: String, reason: String)
  /// The program runs and says nothing that is a figure.
  case commandSilent(command: String, seconds: Int)
  case logUnreadable(path: String, reason: String)
  case logMalformed(path: String, line: Int, text: String)
  /// The meter of this machine that was asked for by name.
  case unavailable(meter: String, reasons: [String])

  package var kind: String {
    switch self {
    case .commandEnded: "power_command_ended"
    case .commandSilent: "power_command_silent"
    case .logUnreadable: "power_log_unreadable"
    case .logMalformed: "power_log_malformed"
    case .unavailable: "meter_unavailable"
    }
  }

  package var message: String {
    switch self {
    case .commandEnded(let command, let reason): "The power command '\(command)' told no figure: \(reason)."
    case .commandSilent(let command, let seconds):
      "The power command '\(command)' told no figure in \(seconds) seconds."
    case .logUnreadable(let path, let reason): "The power log '\(path)' cannot be read: \(reason)."
    case .logMalformed(let path, let line, let text):
      "Line \(line) of the power log '\(path)' holds no time and power: '\(text)'."
    case .unavailable(let meter, let reasons):
      "The meter '\(meter)' does not measure here: \(reasons.joined(separator: "; "))."
    }
  }

  package var remedy: String {
    switch self {
    case .commandEnded, .commandSilent:
      "Run it alone: it must print a line such as '42.5' or '42.5 W' (watts), or '1234 J' (counted joules), again and again, "
        + "each at once ('stdbuf -oL' helps)."
    case .logUnreadable: "Give a file that exists and that this user may read."
    case .logMalformed:
      "Give lines of time and watts, such as '2026-01-31T12:00:00Z,42.5' or '1769860800.5,42.5', after at most one line of names."
    case .unavailable: "'anprobe probe' lists the sensors, and how to make them readable."
    }
  }

  package var exitCode: ExitReason {
    switch self {
    case .logMalformed, .logUnreadable: .badInput
    case .commandEnded, .commandSilent, .unavailable: .failure
    }
  }
}
