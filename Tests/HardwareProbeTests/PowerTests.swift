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

private let zones = [
  "sys/class/powercap/intel-rapl:0/name": "package-0\n", "sys/class/powercap/intel-rapl:0/energy_uj": "1000000\n",
  "sys/class/powercap/intel-rapl:0/max_energy_range_uj": "10000000\n",
  "sys/class/powercap/intel-rapl:0:0/name": "core\n", "sys/class/powercap/intel-rapl:0:0/energy_uj": "400000\n",
  "sys/class/powercap/intel-rapl:0:1/name": "dram\n", "sys/class/powercap/intel-rapl:0:1/energy_uj": "200000\n",
  "sys/class/powercap/intel-rapl:1/name": "psys\n", "sys/class/powercap/intel-rapl:1/energy_uj": "7\n",
  "sys/class/powercap/intel-rapl-mmio:0/name": "package-0\n",
  "sys/class/powercap/intel-rapl-mmio:0/energy_uj": "1000000\n",
]

@Suite struct `The energy counter` {
  @Test func `adds packages and their memory once and carries on when a counter wraps`() throws {
    let folder = try RecordedMachine.temporaryFolder()
    defer { removeTemporary(folder.path) }
    try write(zones, below: folder)
    let counter = try EnergyCounter.open(FileTree(folder: folder.path)).get()
    #expect(counter.kind == "RAPL" && counter.domains == ["package-0", "package-0 dram"])
    #expect(counter.read() == Energy(joules: 0))
    try write(["sys/class/powercap/intel-rapl:0/energy_uj": "9000000\n"], below: folder)
    try write(["sys/class/powercap/intel-rapl:0:1/energy_uj": "700000\n"], below: folder)
    #expect(abs((counter.read()?.joules ?? 0) - 8.5) < 1e-9)
    // From 9 J over the wrap at 10 J to 0.5 J: 1.5 J more.
    try write(["sys/class/powercap/intel-rapl:0/energy_uj": "500000\n"], below: folder)
    #expect(abs((counter.read()?.joules ?? 0) - 10) < 1e-9)
    try FileManager.default.removeItem(at: folder.appendingPathComponent("sys/class/powercap/intel-rapl:0/energy_uj"))
    #expect(counter.read() == nil)
  }

  @Test func `tells why there is none`() {
    guard case .failure(let why) = EnergyCounter.open(tree([:])) else {
      Issue.record("a counter without files")
      return
    }
    #expect(why.reason == "no RAPL counter was found; no hwmon counter was found; no NVML counter was found")
    let locked = tree(
      ["/sys/class/powercap/intel-rapl:0/name": "package-0\n"],
      unreadable: ["/sys/class/powercap/intel-rapl:0/energy_uj"])
    guard case .failure(let locks) = EnergyCounter.open(locked) else {
      Issue.record("a counter that may not be read")
      return
    }
    #expect(locks.reasons.first == "the RAPL counter of package-0 cannot be read by this user")
  }

  @Test func `that stands still counts nothing, and a package without a memory counter is counted alone`() throws {
    let folder = try RecordedMachine.temporaryFolder()
    defer { removeTemporary(folder.path) }
    try write(zones.filter { !$0.key.contains("rapl:0:1") }, below: folder)
    let counter = try EnergyCounter.open(FileTree(folder: folder.path)).get()
    #expect(counter.domains == ["package-0"])
    for _ in 0..<3 { #expect(counter.read() == Energy(joules: 0)) }
    // It may move later: nothing is lost.
    try write(["sys/class/powercap/intel-rapl:0/energy_uj": "1500000\n"], below: folder)
    #expect(abs((counter.read()?.joules ?? 0) - 0.5) < 1e-9)
  }

  @Test func `of a package whose memory may not be read names the memory`() {
    let path = "/sys/class/powercap/intel-rapl:0"
    let locked = tree(
      [
        "\(path)/name": "package-0\n", "\(path)/energy_uj": "5\n", "\(path):1/name": "dram\n",
      ], unreadable: ["\(path):1/energy_uj"])
    guard case .failure(let why) = EnergyCounter.open(locked) else {
      Issue.record("a part that may not be read was left out in silence")
      return
    }
    #expect(why.reasons.first == "the RAPL counter of package-0 dram cannot be read by this user")
  }

  @Test func `takes the sockets of a monitor and not its cores`() throws {
    let path = "/sys/class/hwmon/hwmon2"
    let counter = try EnergyCounter.open(
      tree([
        "\(path)/name": "amd_energy\n", "\(path)/energy1_input": "5\n", "\(path)/energy1_label": "Ecore000\n",
        "\(path)/energy9_input": "9\n", "\(path)/energy9_label": "Esocket0\n",
      ])
    ).get()
    #expect(counter.kind == "hwmon" && counter.domains == ["Esocket0"])
  }

  @Test(
    arguments: [(1.0, 3.0, 10.0, 2.0), (9.0, 1.0, 10.0, 2.0), (9.0, 1.0, nil, 0.0), (9.0, 1.0, 5.0, 0.0)]
      as [(Double, Double, Double?, Double)])
  func `steps forward only`(before: Double, now: Double, range: Double?, expected: Double) {
    #expect(EnergyCounter.step(from: before, to: now, range: range) == expected)
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
          reason: "this user may not read it; make it readable for this user",
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
    #expect(battery.found.map(\.kind) == [.battery])
    let none = PowerSensors(tree([:]), nvidia: .noLibrary)
    #expect(
      none.notes == [
        "There is no power sensor: '/sys/class/powercap' is not there, and no hwmon, battery or NVML device tells power."
      ])
  }
}
