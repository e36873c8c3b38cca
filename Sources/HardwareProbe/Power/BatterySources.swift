// SPDX-License-Identifier: Apache-2.0

/// A battery's discharge: the whole machine, while no charger supplies it (Linux, Documentation/ABI/testing/
/// sysfs-class-power; microwatts, microamperes, microvolts, microwatt-hours).
enum BatterySources {
  static let title = "battery"
  /// Firmware renews the figures every 1 to 30 seconds, and they are right to about 5 %.
  static let refresh = 30.0
  static let accuracy = 0.05
  private static let folder = "/sys/class/power_supply"

  static func names(_ files: FileTree) -> [String] {
    files.names(in: folder).filter {
      files.text("\(folder)/\($0)/type") == "Battery" && files.text("\(folder)/\($0)/scope") != "Device"
    }
  }

  static func sources(_ files: FileTree) -> SourceFinding {
    let batteries = names(files)
    guard !batteries.isEmpty else { return SourceFinding(title) }
    // Of two batteries one may rest while the other discharges.
    guard batteries.contains(where: { isDischarging(files, $0) }) else {
      return SourceFinding(
        title, obstacle: "the battery \(batteries.joined(separator: ", ")) is not discharging: unplug the charger")
    }
    return SourceFinding(
      title,
      batteries.map { name in
        .polled(name, refresh: refresh, accuracy: accuracy) { () throws(MeterFailure) in try reading(files, name) }
      })
  }

  static func isDischarging(_ files: FileTree, _ name: String) -> Bool {
    files.text("\(folder)/\(name)/status") == "Discharging"
  }

  private static func reading(_ files: FileTree, _ name: String) throws(MeterFailure) -> EnergySource.Reading {
    let path = "\(folder)/\(name)"
    switch files.text("\(path)/status") {
    case "Discharging": break
    case "Full", "Not charging", "Unknown":
      guard names(files).contains(where: { isDischarging(files, $0) }) else { fallthrough }
      return .watts(0)
    default: throw MeterFailure("the battery \(name) no longer discharges; the charger was plugged in")
    }
    if files.exists("\(path)/power_now") { return .watts(abs(try files.meterValue("\(path)/power_now")) / 1e6) }
    if files.exists("\(path)/current_now") {
      let amperes = abs(try files.meterValue("\(path)/current_now")) / 1e6
      return .watts(amperes * (try files.meterAmount("\(path)/voltage_now")) / 1e6)
    }
    // What is left falls; the energy used is its fall.
    return .joules(-(try files.meterAmount("\(path)/energy_now")) * 3600 / 1e6)
  }
}
