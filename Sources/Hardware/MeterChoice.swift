// SPDX-License-Identifier: Apache-2.0
package import Quantities

/// Where measured energy may come from, in the machine itself.
package enum MeterKind: String, Sendable, CaseIterable {
  /// The kernel's power capping files.
  case rapl
  /// The kernel's performance events.
  case perf
  /// The processor's registers.
  case msr
  /// Hardware monitors of sockets, boards and firmware.
  case hwmon
  /// A battery that discharges: the whole machine.
  case battery
  /// Graphics cards and other accelerators, which the built-in runtime does not use.
  case gpu

  /// Those that cover the processor, best first.
  package static let processors: [MeterKind] = [.rapl, .perf, .msr, .hwmon, .battery]
  package static var list: String { allCases.map(\.rawValue).joined(separator: ", ") }
}

/// What measures the energy of a run.
package enum MeterChoice: Sendable, Equatable {
  /// The best that covers the processor and that this user may read.
  case best
  case kind(MeterKind)
  /// One file of a hardware monitor.
  case sensor(path: String)
  /// A program whose lines are watts, or joules where they say so.
  case command(String)
  /// Another instrument's log: times and watts.
  case log(path: String)
  /// As somebody says.
  case constant(Power)
}
