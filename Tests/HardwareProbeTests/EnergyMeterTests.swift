// SPDX-License-Identifier: Apache-2.0
import Foundation
import Hardware
@testable import HardwareProbe
import Quantities
import Synchronization
import Testing

private let zone = "sys/class/powercap/intel-rapl:0"

/// A package with cores and memory, the platform, and the package again by another route.
private let zones = [
  "\(zone)/name": "package-0\n", "\(zone)/energy_uj": "1000000\n", "\(zone)/max_energy_range_uj": "10000000\n",
  "\(zone)/constraint_0_power_limit_uw": "25000000\n", "\(zone):0/name": "core\n", "\(zone):0/energy_uj": "400000\n",
  "\(zone):1/name": "dram\n", "\(zone):1/energy_uj": "200000\n",
  "sys/class/powercap/intel-rapl:1/name": "psys\n", "sys/class/powercap/intel-rapl:1/energy_uj": "7\n",
  "sys/class/powercap/intel-rapl-mmio:0/name": "package-0\n",
  "sys/class/powercap/intel-rapl-mmio:0/energy_uj": "1000000\n",
]

@Suite struct `RAPL by its files` {
  @Test func `adds packages and their memory once and shows the other domains beside`() throws {
    let machine = try ScriptedMachine()
    try machine.write(zones)
    let meter = try machine.open()
    #expect(meter.kind == "RAPL" && meter.counted == ["package-0", "package-0 dram"])
    let run = try MeteredRun(
      machine, meter,
      [
        {
          try machine.write(
            ["\(zone)/energy_uj": "9000000", "\(zone):1/energy_uj": "700000", "\(zone):0/energy_uj": "2400000"],
            after: 1)
        }
      ])
    #expect(isNear(run.joules, 8.5))
    let parts = meter.parts(in: [run.window])
    #expect(parts.map(\.name) == ["package-0", "package-0 core", "package-0 dram", "psys"])
    #expect(isNear(parts[1].power.watts, 2) && parts[3].power.watts == 0)
  }

  @Test func `carries on when a counter wraps`() throws {
    let machine = try ScriptedMachine()
    try machine.write(zones)
    // From 1 J to 9 J, and over the wrap at 10 J to 0.5 J.
    let run = try MeteredRun(
      machine, machine.open(),
      [
        { try machine.write(["\(zone)/energy_uj": "9000000"], after: 0.2) },
        { try machine.write(["\(zone)/energy_uj": "500000"], after: 0.2) },
      ])
    #expect(isNear(run.joules, 9.5) && run.meter.doubts.count == 1)
    #expect(run.meter.doubts[0].hasPrefix("package-0 dram: it stood still"))
  }

  @Test func `counts several wraps where power and time leave one number, and says so where they leave more`() throws {
    let range = CounterRange(joules: 10, mostWatts: 50)
    // 2 J in a tenth of a second: 5 J at most, so no wrap was missed.
    #expect(range.step(from: 9, to: 1, seconds: 0.1, usual: nil) == .init(joules: 2, low: 2, high: 2))
    // 2 J in a second could be 12, 22, 32 or 42 J; at 21 W as before it was 22.
    let seen = range.step(from: 9, to: 1, seconds: 1, usual: 21)
    #expect(seen.joules == 22 && seen.low == 2 && seen.high == 42 && seen.doubt?.contains("up to 4 times") == true)
    // A rate that nothing allows is cut to what may be.
    #expect(range.step(from: 9, to: 1, seconds: 1, usual: 1e9).joules == 42)
    #expect(range.step(from: 1, to: 9, seconds: 0.3, usual: nil) == .init(joules: 8, low: 8, high: 8))
  }

  @Test func `keeps to the limit of the package when it counts wraps after a long gap`() throws {
    let machine = try ScriptedMachine()
    try machine.write(zones)
    // Twice the limit of 25 W for 100 s are 5000 J: at a steady 20 W it was wrapped 200 times less the rest.
    let run = try MeteredRun(
      machine, machine.open(),
      [
        { try machine.write(["\(zone)/energy_uj": "3000000"], after: 0.1) },
        { try machine.write(["\(zone)/energy_uj": "4000000"], after: 100) },
      ])
    let power = try run.power.get()
    #expect(isNear(run.joules, 2 + 1 + 200 * 10))
    #expect(power.low * 100.1 < 3.1 && power.high * 100.1 > 4900 && power.high * 100.1 < 5100)
    #expect(run.meter.doubts.contains { $0.contains("wrapped up to 499 times") })
  }

  @Test func `that may not be read says how to make it readable`() {
    let locked = tree(
      ["/\(zone)/name": "package-0\n", "/\(zone):1/name": "dram\n", "/\(zone)/energy_uj": "5\n"],
      unreadable: ["/\(zone):1/energy_uj"])
    guard case .failure(let why) = EnergyMeter.open(MeterKind.processors, MeterSurroundings(files: locked)) else {
      Issue.record("a part that may not be read was left out in silence")
      return
    }
    #expect(why.reasons.count == 1)
    #expect(why.reason.hasPrefix("the RAPL meter of package-0 dram does not answer"))
    #expect(why.reason.contains("this user may not read it; 'sudo chmod a+r /sys/class/powercap/*/energy_uj'"))
  }

  @Test func `without a memory counter counts the package alone, and the platform where there is no package`() throws {
    let machine = try ScriptedMachine()
    try machine.write(zones.filter { !$0.key.contains("rapl:0:1") })
    #expect(try machine.open().counted == ["package-0"])
    let platform = try ScriptedMachine()
    try platform.write(zones.filter { $0.key.contains("rapl:1") })
    #expect(try platform.open().counted == ["psys"])
  }

  @Test func `that stands still tells no energy, and loses none when it moves later`() throws {
    let machine = try ScriptedMachine()
    try machine.write(zones.filter { !$0.key.contains("rapl:0:1") })
    let still = try MeteredRun(machine, machine.open(), [{ machine.pass(0.1) }, { machine.pass(0.1) }])
    #expect(still.reason == "the counter did not move: RAPL package-0")
    try machine.write(["\(zone)/energy_uj": "1500000"], after: 0.1)
    still.meter.sample()
    let all = still.meter.meanPower(in: [.init(start: still.window.start, end: machine.now)])
    #expect(isNear(try all.get().watts * 0.3, 0.5))
  }

  @Test func `that dies half-way keeps what it told and marks it`() throws {
    let machine = try ScriptedMachine()
    try machine.write(zones)
    let run = try MeteredRun(
      machine, machine.open(),
      [
        { try machine.write(["\(zone)/energy_uj": "3000000", "\(zone):1/energy_uj": "400000"], after: 0.1) },
        {
          try machine.remove("\(zone)/energy_uj")
          try machine.write(["\(zone):1/energy_uj": "600000"], after: 0.1)
        },
        { try machine.write(["\(zone)/energy_uj": "9000000"], after: 0.2) },
      ])
    let power = try run.power.get()
    // 20 W of the package over its quarter of the time; the memory told 0.4 J over all of it.
    #expect(isNear(power.watts, 20 + 1) && isNear(power.coverage, 0.25))
    #expect(run.meter.doubts.contains { $0.hasPrefix("package-0: it ended: '/\(zone)/energy_uj' cannot be read") })
  }

  @Test(arguments: ["", "none\n", "-5\n", "nan\n"]) func `refuses what is no count`(_ text: String) throws {
    let machine = try ScriptedMachine()
    try machine.write(zones.merging(["\(zone)/energy_uj": text]) { $1 })
    #expect(machine.reasons().contains { $0.contains("package-0 does not answer") })
  }

  @Test func `a counter without a range that runs backwards was reset: the loss is in the interval`() throws {
    let step = CounterRange(mostWatts: 30).step(from: 9, to: 1, seconds: 2, usual: 5)
    #expect(step.joules == 0 && step.low == 0 && step.high == 60 && step.doubt?.contains("reset") == true)
    // Neither can a counter have been above its own range.
    #expect(CounterRange(joules: 5, mostWatts: 30).step(from: 9, to: 1, seconds: 2, usual: nil).doubt != nil)
  }
}

@Suite struct `RAPL without its files` {
  private static let unit = "sys/bus/event_source/devices/power"
  private static let events = [
    "\(unit)/type": "23\n", "\(unit)/cpumask": "0,8\n", "\(unit)/events/energy-pkg": "event=0x02\n",
    "\(unit)/events/energy-pkg.unit": "Joules\n", "\(unit)/events/energy-pkg.scale": "2.3283064365386962890625e-10\n",
    "\(unit)/events/energy-psys": "event=0x05\n", "\(unit)/events/energy-psys.unit": "Joules\n",
    "\(unit)/events/energy-psys.scale": "2.3283064365386962890625e-10\n",
  ]

  @Test func `is counted as events of every package in their unit`() throws {
    let machine = try ScriptedMachine()
    try machine.write(Self.events)
    machine.events.withLock { $0 = [2: 1 << 32, 5: 0] }
    let meter = try machine.open()
    #expect(meter.kind == "RAPL (perf)" && meter.counted == ["energy-pkg 0", "energy-pkg 1"])
    let run = try MeteredRun(
      machine, meter,
      [
        {
          machine.events.withLock { $0[2] = 4 << 32 }
          machine.pass(1)
        }
      ])
    // 2⁻³² J each: 3 J of either package.
    #expect(isNear(run.joules, 6))
    machine.events.withLock { $0 = [:] }
    machine.pass(1)
    meter.sample()
    #expect(meter.doubts.first?.contains("the kernel no longer counts the event") == true)
  }

  @Test(arguments: [(EACCES, "perf_event_paranoid=0"), (EPERM, "perf_event_paranoid=0"), (ENODEV, "errno 19")])
  func `says why events do not open`(code: Int32, advice: String) throws {
    let machine = try ScriptedMachine()
    try machine.write(Self.events)
    machine.refusal.withLock { $0 = code }
    #expect(machine.reasons(.perf).count == 1 && machine.reasons(.perf)[0].contains(advice))
  }

  @Test func `leaves out an event whose unit or scale is not told`() throws {
    let machine = try ScriptedMachine()
    try machine.write(Self.events.merging(["\(Self.unit)/events/energy-pkg.scale": "zero\n"]) { $1 })
    #expect(machine.reasons(.perf) == ["this machine has no meter of the kind perf"])
  }

  /// Writes 64-bit registers of one processing unit.
  private static func registers(_ machine: ScriptedMachine, _ values: [UInt64: UInt64]) throws {
    let place = machine.folder.appendingPathComponent("dev/cpu/0/msr")
    try FileManager.default.createDirectory(at: place.deletingLastPathComponent(), withIntermediateDirectories: true)
    if !FileManager.default.fileExists(atPath: place.path) { try Data().write(to: place) }
    let file = try FileHandle(forWritingTo: place)
    defer { try? file.close() }
    // In a file, unlike in a device, AMD's neighbours overlap: the later one leaves the unit's bits alone.
    for (register, value) in values.sorted(by: { $0.key < $1.key }) {
      try file.seek(toOffset: register)
      try file.write(contentsOf: withUnsafeBytes(of: value.littleEndian) { Data($0) })
    }
  }

  @Test(arguments: [("GenuineIntel", 0x606 as UInt64, 0x611 as UInt64), ("AuthenticAMD", 0xC001_0299, 0xC001_029B)])
  func `is read from registers, whose 32 bits wrap`(vendor: String, unit: UInt64, package: UInt64) throws {
    let machine = try ScriptedMachine()
    try machine.write([
      "proc/cpuinfo": "vendor_id\t: \(vendor)\n", "sys/devices/system/cpu/cpu0/topology/physical_package_id": "0\n",
      "sys/devices/system/cpu/cpu1/topology/physical_package_id": "0\n",
    ])
    // 2⁻¹⁴ J: 65,536 counts before the wrap are 4 J, 16,384 after it 1 J. The upper half means nothing.
    try Self.registers(machine, [unit: 0xA0E03, package: 0xFFFF_0000 | 7 << 32, package == 0x611 ? 0x639 : 0x700: 0])
    let meter = try machine.open()
    #expect(meter.kind == "RAPL (registers)" && meter.counted == ["package-0"])
    let run = try MeteredRun(
      machine, meter,
      [
        {
          machine.pass(0.5)
          try Self.registers(machine, [package: 16384])
        }
      ])
    #expect(isNear(run.joules, 5))
  }

  @Test func `says what registers need`() {
    let files = tree(
      [
        "/proc/cpuinfo": "vendor_id\t: GenuineIntel\n",
        "/sys/devices/system/cpu/cpu0/topology/physical_package_id": "0\n",
      ], unreadable: ["/dev/cpu/0/msr"])
    guard case .failure(let why) = EnergyMeter.open([.msr], MeterSurroundings(files: files)) else {
      Issue.record("registers that may not be read")
      return
    }
    #expect(why.reason.contains("this user may not read it; load the module with 'sudo modprobe msr' and run as root"))
  }
}
