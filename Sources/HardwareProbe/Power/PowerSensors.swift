// SPDX-License-Identifier: Apache-2.0
internal import Hardware
internal import Quantities

/// Everything that could tell power or energy, readable or not, with the reason.
struct PowerSensors {
  let found: [PowerSensor]
  /// Why there is none.
  let notes: [String]

  init(_ files: FileTree, nvidia: NVIDIADevices) {
    found = Self.powercap(files) + Self.monitors(files) + Self.batteries(files) + Self.nvidia(nvidia)
    let reason = files.exists("/sys/class/powercap") ? "holds no energy counter" : "is not there"
    notes =
      found.isEmpty
      ? ["There is no power sensor: '/sys/class/powercap' \(reason), and no hwmon, battery or NVML device tells power."]
      : []
  }

  /// What a reading of the file says: nil when it can be read.
  private static func obstacle(_ files: FileTree, _ path: String) -> String? {
    do {
      let text = String(decoding: try files.bytes(path), as: UTF8.self).trimmed
      return Double(text) == nil ? "it holds no number" : nil
    } catch {
      return error == .permissionDenied
        ? "this user may not read it; make it readable for this user" : error.description
    }
  }

  private static func sensor(
    _ files: FileTree, _ kind: PowerSensor.Kind, _ domain: String, _ path: String, covers: String, range: Energy? = nil
  ) -> PowerSensor {
    let obstacle = obstacle(files, path)
    return PowerSensor(
      kind: kind, domain: domain, path: path, isReadable: obstacle == nil, reason: obstacle ?? covers,
      counterRange: range)
  }

  /// RAPL zones (Linux, Documentation/power/powercap/powercap.rst).
  private static func powercap(_ files: FileTree) -> [PowerSensor] {
    PowerZone.all(files).map {
      sensor(files, .rapl, $0.name, $0.path, covers: "energy counter of \($0.name)", range: $0.range)
    }
  }

  /// Power, energy, and rails with voltage and current (Linux, Documentation/hwmon/sysfs-interface.rst).
  private static func monitors(_ files: FileTree) -> [PowerSensor] {
    let folder = "/sys/class/hwmon"
    return files.names(in: folder).flatMap { monitor -> [PowerSensor] in
      let path = "\(folder)/\(monitor)"
      let chip = files.text("\(path)/name") ?? monitor
      let names = files.names(in: path)
      let direct = names.filter {
        ($0.hasPrefix("power") && ($0.hasSuffix("_input") || $0.hasSuffix("_average")))
          || ($0.hasPrefix("energy") && $0.hasSuffix("_input"))
      }
      let rails = names.filter { $0.hasPrefix("curr") && $0.hasSuffix("_input") }.compactMap { current -> String? in
        let channel = current.dropFirst(4).dropLast(6)
        return direct.contains("power\(channel)_input") || !names.contains("in\(channel)_input") ? nil : "in\(channel)"
      }
      return direct.map { name in
        let stem = name.prefix { $0 != "_" }
        let label = files.text("\(path)/\(stem)_label") ?? String(stem)
        let covers = stem.hasPrefix("energy") ? "energy counter of \(chip)" : "power of \(chip)"
        return sensor(files, .hwmon, "\(chip) \(label)", "\(path)/\(name)", covers: covers)
      }
        + rails.map { rail in
          let label = files.text("\(path)/\(rail)_label") ?? rail
          return sensor(
            files, .hwmon, "\(chip) \(label)", "\(path)/\(rail)_input",
            covers: "voltage; times the current beside it, the rail's power")
        }
    }
  }

  private static func batteries(_ files: FileTree) -> [PowerSensor] {
    let folder = "/sys/class/power_supply"
    return files.names(in: folder).filter { files.text("\(folder)/\($0)/type") == "Battery" }.map { name in
      let power = "\(folder)/\(name)/power_now"
      let path = files.exists(power) ? power : "\(folder)/\(name)/current_now"
      return sensor(files, .battery, name, path, covers: "power of the whole machine while it runs on the battery")
    }
  }

  private static func nvidia(_ devices: NVIDIADevices) -> [PowerSensor] {
    devices.list.enumerated().map { index, device in
      let reason =
        device.energy != nil
        ? "energy counter of \(device.name)"
        : device.hasPower ? "power of \(device.name)" : "NVML tells neither power nor energy"
      return PowerSensor(
        kind: .nvml, domain: device.name, path: "NVML device \(index)",
        isReadable: device.energy != nil || device.hasPower,
        reason: reason)
    }
  }
}

/// A zone of the kernel's power capping framework with an energy counter.
struct PowerZone: Equatable {
  var name: String
  /// The file of the counter, in microjoules.
  var path: String
  /// Where the counter starts again from zero.
  var range: Energy?

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
      return PowerZone(
        name: owner.map { "\($0) \(name)" } ?? name, path: "\(folder)/\(zone)/energy_uj",
        range: microjoules.map { Energy(joules: $0 / 1e6) })
    }
  }
}
