// SPDX-License-Identifier: Apache-2.0
internal import Hardware
internal import Quantities

/// Everything that could tell power or energy, readable or not, with the reason.
struct PowerSensors {
  let found: [PowerSensor]
  /// Why there is none.
  let notes: [String]

  init(_ files: FileTree, nvidia: NVIDIADevices) {
    found =
      Self.powercap(files) + Self.events(files) + Self.registers(files) + Self.monitors(files) + Self.batteries(files)
      + Self.nvidia(nvidia)
    let reason = files.exists("/sys/class/powercap") ? "holds no energy counter" : "is not there"
    notes =
      found.isEmpty
      ? ["There is no power sensor: '/sys/class/powercap' \(reason), and no hwmon, battery or NVML device tells power."]
      : []
  }

  /// What a reading of the file says: nil when it can be read.
  private static func obstacle(_ files: FileTree, _ path: String, remedy: String) -> String? {
    do {
      let text = String(decoding: try files.bytes(path), as: UTF8.self).trimmed
      return Double(text) == nil ? "it holds no number" : nil
    } catch {
      return error == .permissionDenied ? "this user may not read it; \(remedy)" : error.description
    }
  }

  private static func sensor(
    _ files: FileTree, _ kind: PowerSensor.Kind, _ domain: String, _ path: String, covers: String, range: Energy? = nil,
    remedy: String = MonitorSources.remedy
  ) -> PowerSensor {
    let obstacle = obstacle(files, path, remedy: remedy)
    return PowerSensor(
      kind: kind, domain: domain, path: path, isReadable: obstacle == nil, reason: obstacle ?? covers,
      counterRange: range)
  }

  /// RAPL zones (Linux, Documentation/power/powercap/powercap.rst).
  private static func powercap(_ files: FileTree) -> [PowerSensor] {
    PowerZone.all(files).map {
      sensor(
        files, .rapl, $0.name, $0.path, covers: "energy counter of \($0.name)", range: $0.range,
        remedy: RAPLZones.remedy)
    }
  }

  /// RAPL once more as events: whether the kernel lets this user count them is asked on this machine, and told by its
  /// setting on a recorded one.
  private static func events(_ files: FileTree) -> [PowerSensor] {
    let events = PerfEvents.present(files)
    let opened = files.isHost && !events.isEmpty ? PerfEvents.sources(files, open: PerfEvents.kernel).sources : []
    return events.map { event in
      let isAllowed =
        files.isHost
        ? opened.contains { $0.name.hasPrefix(event) && (try? $0.read(0)) != nil }
        : files.int("/proc/sys/kernel/perf_event_paranoid").map { $0 <= 0 } ?? false
      return PowerSensor(
        kind: .perf, domain: event, path: PerfEvents.path(event), isReadable: isAllowed,
        reason: isAllowed ? "energy counter, as an event" : "this user may not count it; \(PerfEvents.remedy)")
    }
  }

  /// RAPL once more as registers.
  private static func registers(_ files: FileTree) -> [PowerSensor] {
    EnergyRegisters.packages(files).filter { files.exists(EnergyRegisters.path($0.cpu)) }.map { package, cpu in
      let finding = EnergyRegisters.sources(files)
      let isReadable = finding.sources.contains { $0.name == "package-\(package)" && (try? $0.read(0)) != nil }
      return PowerSensor(
        kind: .msr, domain: "package-\(package)", path: EnergyRegisters.path(cpu), isReadable: isReadable,
        reason: isReadable
          ? "energy counter of package-\(package), as a register"
          : finding.obstacle ?? "no energy register of this processor is known")
    }
  }

  /// Power, energy, and rails with voltage and current (Linux, Documentation/hwmon/sysfs-interface.rst).
  private static func monitors(_ files: FileTree) -> [PowerSensor] {
    MonitorSources.chips(files).flatMap { monitor -> [PowerSensor] in
      let (path, chip, names) = (monitor.path, monitor.name, monitor.files)
      let direct = names.filter {
        ($0.hasPrefix("power") && ($0.hasSuffix("_input") || $0.hasSuffix("_average")))
          || ($0.hasPrefix("energy") && $0.hasSuffix("_input"))
      }
      let rails = MonitorSources.railChannels(monitor).filter { !direct.contains("power\($0)_input") }.map { "in\($0)" }
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
    BatterySources.names(files).map { name in
      let folder = "/sys/class/power_supply/\(name)"
      let path = ["power_now", "current_now", "energy_now"].map { "\(folder)/\($0)" }.first(where: files.exists)
      let rest = BatterySources.isDischarging(files, name) ? "" : ", which it does not now: unplug the charger"
      return sensor(
        files, .battery, name, path ?? "\(folder)/power_now",
        covers: "power of the whole machine while it runs on the battery\(rest)")
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
