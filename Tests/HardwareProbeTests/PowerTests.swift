// SPDX-License-Identifier: Apache-2.0
import Foundation
import Hardware
@testable import HardwareProbe
import Quantities
import Testing

/// Writes files below a folder.
func write(_ files: [String: String], below folder: URL) throws {
  for (path, text) in files {
    let place = folder.appendingPathComponent(path)
    try FileManager.default.createDirectory(at: place.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(text.utf8).write(to: place)
  }
}

@Suite struct `Power sensors` {
  @Test func `are listed whether this user may read them or not`() {
    let path = "/sys/class/powercap/intel-rapl:0"
    let sensors = PowerSensors(
      tree(
        ["\(path)/name": "package-0\n", "\(path)/max_energy_range_uj": "262143328850\n"],
        unreadable: ["\(path)/energy_uj"]),
      nvidia: .noLibrary)
    #expect(
      sensors.found == [
        PowerSensor(
          kind: .rapl, domain: "package-0", path: "\(path)/energy_uj", isReadable: false,
          reason:
            "this user may not read it; 'sudo chmod a+r /sys/class/powercap/*/energy_uj' lets every user read it "
            + "until the next start",
          counterRange: Energy(joules: 262143.328850))
      ])
    #expect(sensors.notes.isEmpty)
  }

  @Test func `of an INA3221 are its rails`() {
    let path = "/sys/class/hwmon/hwmon1"
    let sensors = PowerSensors(
      tree([
        "\(path)/name": "ina3221\n", "\(path)/in1_label": "VDD_IN\n", "\(path)/in1_input": "5072\n",
        "\(path)/curr1_input": "744\n", "\(path)/in7_input": "12\n",
      ]), nvidia: .noLibrary)
    #expect(sensors.found.map(\.domain) == ["ina3221 VDD_IN"] && sensors.found.allSatisfy(\.isReadable))
  }

  @Test func `may be a battery, or none with the reason`() {
    let battery = PowerSensors(
      tree([
        "/sys/class/power_supply/BAT0/type": "Battery\n", "/sys/class/power_supply/BAT0/power_now": "7000000\n",
        "/sys/class/power_supply/AC/type": "Mains\n",
      ]), nvidia: .noLibrary)
    #expect(battery.found.map(\.kind) == [.battery] && battery.found[0].isReadable)
    #expect(battery.found[0].reason.hasSuffix("which it does not now: unplug the charger"))
    let none = PowerSensors(tree([:]), nvidia: .noLibrary)
    #expect(
      none.notes == [
        "There is no power sensor: '/sys/class/powercap' is not there, and no hwmon, battery or NVML device tells power."
      ])
  }

  @Test func `of one processor may be files, events and registers, each with what makes it readable`() {
    let (zone, events) = ("/sys/class/powercap/intel-rapl:0", "/sys/bus/event_source/devices/power")
    let sensors = PowerSensors(
      tree(
        [
          "\(zone)/name": "package-0\n", "\(events)/type": "23\n", "\(events)/events/energy-pkg": "event=0x02\n",
          "/proc/sys/kernel/perf_event_paranoid": "2\n", "/proc/cpuinfo": "vendor_id\t: GenuineIntel\n",
          "/sys/devices/system/cpu/cpu0/topology/physical_package_id": "0\n",
        ], unreadable: ["\(zone)/energy_uj", "/dev/cpu/0/msr"]), nvidia: .noLibrary
    ).found
    #expect(sensors.map(\.kind) == [.rapl, .perf, .msr] && !sensors.contains(where: \.isReadable))
    for (sensor, remedy) in zip(sensors, ["chmod a+r", "perf_event_paranoid=0", "modprobe msr"]) {
      #expect(sensor.reason.contains(remedy))
    }
  }
}
