// SPDX-License-Identifier: Apache-2.0
internal import Glibc
package import Quantities

/// What else the machine was doing at one moment; two of them tell how far a measurement in between can be believed.
///
/// Counters that a machine does not have are nil, and give no doubt.
package struct LoadReading: Sendable, Equatable {
  /// Time on a clock that never steps back.
  package var time: Seconds
  /// Runnable tasks, averaged over a minute.
  package var loadAverage: Double?
  /// Time in which some task waited for a processor, or for memory (`/proc/pressure`).
  package var processorPressure: Seconds?
  package var memoryPressure: Seconds?
  /// Processor time since boot, summed over all PUs: working, and taken away by the hypervisor.
  package var busy: Seconds?
  package var stolen: Seconds?
  /// Processor time of this process with all of its threads.
  package var own: Seconds?
  /// PUs that are online.
  package var processingUnitCount: Int?
  package var throttleEvents: Int?

  package init(
    time: Seconds, loadAverage: Double? = nil, processorPressure: Seconds? = nil, memoryPressure: Seconds? = nil,
    busy: Seconds? = nil, stolen: Seconds? = nil, own: Seconds? = nil, processingUnitCount: Int? = nil,
    throttleEvents: Int? = nil
  ) {
    self.time = time
    self.loadAverage = loadAverage
    self.processorPressure = processorPressure
    self.memoryPressure = memoryPressure
    self.busy = busy
    self.stolen = stolen
    self.own = own
    self.processingUnitCount = processingUnitCount
    self.throttleEvents = throttleEvents
  }

  /// Reads now; costs a few file reads, so do it outside of what is timed.
  package static func now(_ files: FileTree = .host) -> LoadReading {
    var clock = timespec()
    clock_gettime(CLOCK_MONOTONIC, &clock)
    var reading = LoadReading(time: Seconds(Double(clock.tv_sec) + Double(clock.tv_nsec) / 1e9))
    reading.loadAverage = files.text("/proc/loadavg").flatMap { Double($0.prefix { $0 != " " }) }
    reading.processorPressure = pressure(files, "/proc/pressure/cpu")
    reading.memoryPressure = pressure(files, "/proc/pressure/memory")
    reading.readTicks(files.lines("/proc/stat"))
    reading.own = ownTime(files)
    reading.throttleEvents = FrequencyReading(files).throttleEvents
    return reading
  }

  /// Microseconds behind `total=` of the line `some` (Linux, Documentation/accounting/psi.rst).
  private static func pressure(_ files: FileTree, _ path: String) -> Seconds? {
    let line = files.lines(path).first { $0.hasPrefix("some") }
    let total = line?.split(separator: " ").first { $0.hasPrefix("total=") }
    return total.flatMap { Double($0.dropFirst(6)) }.map { Seconds($0 / 1e6) }
  }

  /// `/proc` counts in ticks of 1/100 s on every architecture that we know (USER_HZ).
  private static var ticksPerSecond: Double { max(1, Double(sysconf(Int32(_SC_CLK_TCK)))) }

  /// user, nice, system, idle, iowait, irq, softirq, steal (Linux, Documentation/filesystems/proc.rst, 1.7).
  private mutating func readTicks(_ lines: [Substring]) {
    guard let line = lines.first(where: { $0.hasPrefix("cpu ") }) else { return }
    let ticks = line.split(separator: " ").dropFirst().map { Double($0) ?? 0 }
    guard ticks.count >= 8 else { return }
    busy = Seconds((ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6]) / Self.ticksPerSecond)
    stolen = Seconds(ticks[7] / Self.ticksPerSecond)
    processingUnitCount = lines.count { $0.hasPrefix("cpu") && !$0.hasPrefix("cpu ") }
  }

  /// Fields 14 and 15 of `/proc/self/stat`; the name in parentheses before them may hold spaces.
  private static func ownTime(_ files: FileTree) -> Seconds? {
    guard let text = files.text("/proc/self/stat"), let end = text.lastIndex(of: ")") else { return nil }
    let fields = text[end...].split(separator: " ")
    guard fields.count > 13, let user = Double(fields[12]), let system = Double(fields[13]) else { return nil }
    return Seconds((user + system) / ticksPerSecond)
  }
}
