// SPDX-License-Identifier: Apache-2.0
internal import Quantities

/// RAPL by the kernel's power capping files, of Intel's processors and AMD's (Linux,
/// Documentation/power/powercap/powercap.rst).
enum RAPLZones {
  static let title = "RAPL"
  /// The counters are for root since 2020, because their course betrays what others compute (CVE-2020-8694).
  static let remedy =
    "'sudo chmod a+r /sys/class/powercap/*/energy_uj' lets every user read it until the next start"
  /// The counter moves about once in a millisecond.
  static let refresh = 0.001

  /// Packages, and their memory where it has a counter of its own; cores and graphics are parts of the package, and the
  /// platform's counter (`psys`) holds the package a second time, so it counts only where it is alone.
  static func sources(_ files: FileTree) -> SourceFinding {
    var seen: Set<String> = []
    let zones = PowerZone.all(files).filter { seen.insert($0.name).inserted }
    let hasPackage = zones.contains(where: \.isPackage)
    return SourceFinding(
      title,
      zones.map { zone in
        let isWhole = hasPackage ? zone.isPackage || zone.isMemory : zone.name.hasPrefix("psys")
        let range = CounterRange(joules: zone.range?.joules, mostWatts: zone.mostWatts ?? CounterRange.usualMost)
        return .polled(zone.name, isCounted: isWhole, range: range, refresh: refresh) { () throws(MeterFailure) in
          .joules(try files.meterAmount(zone.path, remedy: remedy) / 1e6)
        }
      })
  }
}

/// A zone of the kernel's power capping framework with an energy counter.
struct PowerZone: Equatable {
  var name: String
  /// The file of the counter, in microjoules.
  var path: String
  /// Where the counter starts again from zero.
  var range: Energy?
  /// What the zone may take at most for a moment, with as much again for what the limits let pass.
  var mostWatts: Double?

  var isPackage: Bool { name.hasPrefix("package") && !name.contains(" ") }
  var isMemory: Bool { name.hasSuffix(" dram") }

  /// Zones by folder name: `intel-rapl:0`, its part `intel-rapl:0:1`, and the same package again by another route
  /// (`intel-rapl-mmio:0`), which is left out.
  static func all(_ files: FileTree) -> [PowerZone] {
    let folder = "/sys/class/powercap"
    return files.names(in: folder).filter { $0.contains(":") && !$0.contains("mmio") }.compactMap { zone in
      guard let name = files.text("\(folder)/\(zone)/name") else { return nil }
      // A part's name repeats in every package: `package-1 dram`.
      let parent = zone.split(separator: ":").count > 2 ? zone.lastIndex(of: ":").map { zone[..<$0] } : nil
      let owner = parent.flatMap { files.text("\(folder)/\($0)/name") }
      let microjoules = files.double("\(folder)/\(zone)/max_energy_range_uj").flatMap { $0 > 0 ? $0 : nil }
      let limits = (0..<3).compactMap { files.double("\(folder)/\(zone)/constraint_\($0)_power_limit_uw") }
      return PowerZone(
        name: owner.map { "\($0) \(name)" } ?? name, path: "\(folder)/\(zone)/energy_uj",
        range: microjoules.map { Energy(joules: $0 / 1e6) },
        mostWatts: limits.max().flatMap { $0 > 0 ? min(CounterRange.usualMost, 2 * $0 / 1e6) : nil })
    }
  }
}
