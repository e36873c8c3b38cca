// SPDX-License-Identifier: Apache-2.0

/// Hardware monitors that tell energy or power (Linux, Documentation/hwmon/sysfs-interface.rst: microjoules, microwatts,
/// millivolts, milliamperes).
enum MonitorSources {
  static let title = "hwmon"
  private static let folder = "/sys/class/hwmon"
  /// Rails of a board's supply, which hold all others.
  private static let supplyRails: Set = ["VDD_IN", "POM_5V_IN", "POM_IN", "SYS5V"]
  /// Drivers of graphics cards, whose sensors do not cover the processor.
  static let cardDrivers: Set = ["amdgpu", "i915", "xe", "nouveau", "radeon"]

  struct Chip {
    var path: String
    var name: String
    var files: [String]
  }

  static func chips(_ files: FileTree) -> [Chip] {
    files.names(in: folder).map { monitor in
      let path = "\(folder)/\(monitor)"
      return Chip(path: path, name: files.text("\(path)/name") ?? monitor, files: files.names(in: path))
    }
  }

  /// What covers the processor or all of the machine: sockets of `amd_energy`, a board's supply, the firmware's meter.
  static func machine(_ files: FileTree) -> SourceFinding {
    let chips = chips(files)
    for finding in [chips.flatMap { sockets(files, $0) }, meters(files, chips), rails(files, chips)]
    where !finding.isEmpty { return SourceFinding(title, finding) }
    return SourceFinding(title)
  }

  private static func sockets(_ files: FileTree, _ chip: Chip) -> [EnergySource] {
    chip.files.filter { $0.hasPrefix("energy") && $0.hasSuffix("_input") }.compactMap { name in
      let label = files.text("\(chip.path)/\(name.dropLast(6))_label") ?? ""
      return label.hasPrefix("Esocket") ? energy(files, label, "\(chip.path)/\(name)") : nil
    }
  }

  /// ACPI's power meter: the whole machine.
  private static func meters(_ files: FileTree, _ chips: [Chip]) -> [EnergySource] {
    chips.filter { $0.name == "power_meter" }.compactMap { chip in
      guard let name = ["power1_average", "power1_input"].first(where: chip.files.contains) else { return nil }
      let interval = files.double("\(chip.path)/power1_average_interval").map { $0 / 1000 }
      return power(files, chip.name, "\(chip.path)/\(name)", refresh: max(0.1, interval ?? 1))
    }
  }

  /// The supply's rail where one is labelled so, all rails where none is; the rest is shown beside.
  private static func rails(_ files: FileTree, _ chips: [Chip]) -> [EnergySource] {
    let all = chips.filter { $0.name == "ina3221" }.flatMap { chip in
      railChannels(chip).map { channel in
        rail(files, files.text("\(chip.path)/in\(channel)_label") ?? "\(chip.name) \(channel)", chip.path, channel)
      }
    }
    guard all.contains(where: { supplyRails.contains($0.name) }) else { return all }
    return all.map { source in
      var source = source
      source.isCounted = supplyRails.contains(source.name)
      return source
    }
  }

  /// Channels with a voltage and a current.
  static func railChannels(_ chip: Chip) -> [String] {
    chip.files.filter { $0.hasPrefix("curr") && $0.hasSuffix("_input") }.map { String($0.dropFirst(4).dropLast(6)) }
      .filter { chip.files.contains("in\($0)_input") }
  }

  /// The energy counter of a card, else its power.
  static func card(_ files: FileTree, _ chip: Chip) -> EnergySource? {
    if chip.files.contains("energy1_input") { return energy(files, chip.name, "\(chip.path)/energy1_input") }
    let name = ["power1_average", "power1_input"].first(where: chip.files.contains)
    return name.map { power(files, chip.name, "\(chip.path)/\($0)", refresh: 0.1) }
  }

  /// One sensor by the path of its file.
  static func sensor(_ files: FileTree, _ path: String) -> EnergySource? {
    guard path.hasPrefix(folder), let name = path.split(separator: "/").last, name.contains("_") else { return nil }
    let parent = String(path.dropLast(name.count + 1))
    let chip = files.text("\(parent)/name") ?? parent
    let label = files.text("\(parent)/\(name.prefix { $0 != "_" })_label") ?? String(name)
    if name.hasPrefix("energy") { return energy(files, "\(chip) \(label)", path) }
    if name.hasPrefix("power") { return power(files, "\(chip) \(label)", path, refresh: 0.1) }
    guard name.hasPrefix("in"), name.hasSuffix("_input") else { return nil }
    return rail(files, "\(chip) \(label)", parent, String(name.dropFirst(2).dropLast(6)))
  }

  static let remedy = "'sudo chmod a+r' on that file lets every user read it until the next start"

  private static func energy(_ files: FileTree, _ name: String, _ path: String) -> EnergySource {
    // Drivers carry their counters on to 64 bits. They are read ten times in a second at least.
    .polled(name, refresh: 0.1) { () throws(MeterFailure) in .joules(try files.meterAmount(path, remedy: remedy) / 1e6)
    }
  }

  private static func power(_ files: FileTree, _ name: String, _ path: String, refresh: Double) -> EnergySource {
    .polled(name, refresh: refresh, accuracy: 0.05) { () throws(MeterFailure) in
      .watts(try files.meterAmount(path, remedy: remedy) / 1e6)
    }
  }

  /// Shunt monitors renew their values every 1 to 100 ms and are right to 1 to 5 %.
  private static func rail(_ files: FileTree, _ name: String, _ path: String, _ channel: String) -> EnergySource {
    .polled(name, refresh: 0.1, accuracy: 0.05) { () throws(MeterFailure) in
      // Without load a shunt may read a little below zero.
      let amperes = max(0, try files.meterValue("\(path)/curr\(channel)_input", remedy: remedy)) / 1000
      return .watts(amperes * (try files.meterAmount("\(path)/in\(channel)_input", remedy: remedy)) / 1000)
    }
  }
}
