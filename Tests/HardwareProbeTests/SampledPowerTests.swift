// SPDX-License-Identifier: Apache-2.0
import Foundation
import Hardware
@testable import HardwareProbe
import Quantities
import Synchronization
import TestSupport
import Testing

@Suite struct `Hardware monitors` {
  private static let monitor = "sys/class/hwmon/hwmon2"
  private static let rails = [
    "\(monitor)/name": "ina3221\n", "\(monitor)/in1_label": "VDD_IN\n", "\(monitor)/in1_input": "5000\n",
    "\(monitor)/curr1_input": "1000\n", "\(monitor)/in2_label": "VDD_CPU_GPU_CV\n", "\(monitor)/in2_input": "5000\n",
    "\(monitor)/curr2_input": "400\n", "\(monitor)/in7_input": "12\n",
  ]

  @Test func `of AMD's sockets are counted without their cores`() throws {
    let machine = try ScriptedMachine()
    try machine.write([
      "\(Self.monitor)/name": "amd_energy\n", "\(Self.monitor)/energy1_input": "5\n",
      "\(Self.monitor)/energy1_label": "Ecore000\n", "\(Self.monitor)/energy9_input": "9\n",
      "\(Self.monitor)/energy9_label": "Esocket0\n",
    ])
    let run = try MeteredRun(
      machine, machine.open(), [{ try machine.write(["\(Self.monitor)/energy9_input": "3000009"], after: 1) }])
    #expect(run.meter.kind == "hwmon" && run.meter.counted == ["Esocket0"] && isNear(run.joules, 3))
  }

  @Test func `of a board count the supply's rail by voltage times current, and show the others beside`() throws {
    let machine = try ScriptedMachine()
    try machine.write(Self.rails)
    let run = try MeteredRun(
      machine, machine.open(), [{ try machine.write(["\(Self.monitor)/curr1_input": "3000"], after: 2) }])
    // 5 W rise to 15 W: 10 W between them, known from 5 to 15 W, and 5 % of the instrument.
    let power = try run.power.get()
    #expect(run.meter.counted == ["VDD_IN"] && isNear(power.watts, 10))
    #expect(power.low < 5 * 0.95 + 1e-9 && power.high > 15 * 1.05 - 1e-9)
    #expect(run.meter.parts(in: [run.window]).map(\.name) == ["VDD_IN", "VDD_CPU_GPU_CV"])
  }

  @Test func `of a board without a labelled supply add all rails, and one that is missing ends alone`() throws {
    let machine = try ScriptedMachine()
    try machine.write(Self.rails.filter { !$0.key.hasSuffix("label") })
    let run = try MeteredRun(
      machine, machine.open(),
      [
        { machine.pass(1) },
        {
          try machine.remove("\(Self.monitor)/curr2_input")
          machine.pass(1)
        },
      ])
    #expect(run.meter.counted == ["ina3221 1", "ina3221 2"])
    let power = try run.power.get()
    #expect(isNear(power.watts, 5 + 2) && isNear(power.coverage, 0.5))
    #expect(run.meter.doubts.contains { $0.contains("curr2_input' cannot be read: there is no such file") })
  }

  @Test func `of firmware tell the whole machine's mean power`() throws {
    let machine = try ScriptedMachine()
    try machine.write([
      "\(Self.monitor)/name": "power_meter\n", "\(Self.monitor)/power1_average": "150000000\n",
      "\(Self.monitor)/power1_average_interval": "1000\n",
    ])
    let run = try MeteredRun(machine, machine.open(), [{ machine.pass(10) }])
    #expect(run.meter.counted == ["power_meter"] && isNear(run.joules, 1500))
  }

  @Test(arguments: [
    ("power1_input", "7000000", "7000000", 7.0), ("power3_average", "5000000", "7000000", 6),
    ("energy1_input", "0", "20000000", 10), ("in1_input", "5000", "5000", 5),
  ]) func `answer by the path of one file`(name: String, before: String, after: String, watts: Double) throws {
    let machine = try ScriptedMachine()
    try machine.write(Self.rails.merging(["\(Self.monitor)/\(name)": before]) { $1 })
    let meter = try EnergyMeter.open(sensor: "/\(Self.monitor)/\(name)", machine.around).get()
    let run = try MeteredRun(machine, meter, [{ try machine.write(["\(Self.monitor)/\(name)": after], after: 2) }])
    #expect(isNear(try run.power.get().watts, watts))
  }

  @Test(arguments: ["/etc/passwd", "/sys/class/hwmon/hwmon2/name", "/sys/class/hwmon/hwmon9/power1_input", ""])
  func `refuse a path that is no sensor`(path: String) throws {
    let machine = try ScriptedMachine()
    try machine.write(Self.rails)
    #expect(throws: EnergyMeter.Unavailable.self) { try EnergyMeter.open(sensor: path, machine.around).get() }
  }
}

@Suite struct `A battery` {
  private static let battery = "sys/class/power_supply/BAT0"
  private static let discharging = ["\(battery)/type": "Battery\n", "\(battery)/status": "Discharging\n"]

  @Test(arguments: [
    (["power_now": "12000000"], ["power_now": "12000000"]), (["power_now": "-12000000"], ["power_now": "-12000000"]),
    (["current_now": "1000000", "voltage_now": "12000000"], ["current_now": "1000000"]),
    // 0.01 Wh are 36 J, used in 3 s.
    (["energy_now": "50000000"], ["energy_now": "49990000"]),
  ]) func `tells what the machine takes`(before: [String: String], after: [String: String]) throws {
    let machine = try ScriptedMachine()
    let place = { (files: [String: String]) in
      Dictionary(uniqueKeysWithValues: files.map { ("\(Self.battery)/\($0)", $1) })
    }
    try machine.write(Self.discharging.merging(place(before)) { $1 })
    let run = try MeteredRun(machine, machine.open(), [{ try machine.write(place(after), after: 3) }])
    #expect(run.meter.kind == "battery" && isNear(run.joules, 36))
  }

  @Test func `that is charged says to unplug it, and one of a mouse is not asked`() throws {
    let machine = try ScriptedMachine()
    try machine.write([
      "\(Self.battery)/type": "Battery\n", "\(Self.battery)/status": "Charging\n", "\(Self.battery)/power_now": "1\n",
      "sys/class/power_supply/hidpp_battery_0/type": "Battery\n",
      "sys/class/power_supply/hidpp_battery_0/scope": "Device\n",
      "sys/class/power_supply/hidpp_battery_0/status": "Discharging\n",
    ])
    #expect(machine.reasons() == ["the battery BAT0 is not discharging: unplug the charger"])
  }

  @Test func `that is plugged in half-way keeps what it told`() throws {
    let machine = try ScriptedMachine()
    try machine.write(Self.discharging.merging(["\(Self.battery)/power_now": "8000000"]) { $1 })
    let run = try MeteredRun(
      machine, machine.open(),
      [{ machine.pass(30) }, { try machine.write(["\(Self.battery)/status": "Charging\n"], after: 30) }])
    let power = try run.power.get()
    #expect(isNear(power.watts, 8) && isNear(power.coverage, 0.5))
    #expect(
      run.meter.doubts == [
        "BAT0: it ended: the battery BAT0 no longer discharges; the charger was plugged in; what it told until then counts"
      ])
  }

  @Test func `beside another that rests counts nothing`() throws {
    let machine = try ScriptedMachine()
    let second = "sys/class/power_supply/BAT1"
    try machine.write(
      Self.discharging.merging([
        "\(Self.battery)/power_now": "8000000", "\(second)/type": "Battery\n", "\(second)/status": "Not charging\n",
        "\(second)/power_now": "8000000",
      ]) { $1 })
    let run = try MeteredRun(machine, machine.open(), [{ machine.pass(60) }])
    #expect(run.meter.counted == ["BAT0", "BAT1"] && isNear(run.joules, 480))
  }
}

@Suite struct `Devices` {
  private static func device(joules: Double?, watts: Double?) -> NVIDIADevices.Device {
    .init(
      name: "H200", memoryTotal: .unknown(reason: ""), memoryFree: .unknown(reason: ""),
      powerLimit: .unknown(reason: ""), power: watts.map { Power(watts: $0) }, energy: joules.map { Energy(joules: $0) }
    )
  }

  @Test func `of NVIDIA are counted where they count, else their power is sampled`() throws {
    let machine = try ScriptedMachine()
    machine.devices.withLock {
      $0 = .devices([Self.device(joules: 100, watts: 70), Self.device(joules: nil, watts: 300)])
    }
    let meter = try machine.open(.gpu)
    #expect(meter.counted == ["H200 0", "H200 1"])
    let run = try MeteredRun(
      machine, meter,
      [
        {
          machine.pass(4)
          machine.devices.withLock {
            $0 = .devices([Self.device(joules: 2500, watts: 70), Self.device(joules: nil, watts: 500)])
          }
        }
      ])
    // 2400 J counted, and 300 W rising to 500 W.
    let power = try run.power.get()
    #expect(isNear(power.watts, 600 + 400))
    // A counter that is up to 0.1 s late may miss that much at both ends.
    let counted = run.meter.parts(in: [run.window])[0].power
    #expect(isNear(counted.high - counted.watts, 600 * 0.1 * 2.0.squareRoot() / 4))
  }

  @Test func `that fall away half-way keep what they told, and none at all says why`() throws {
    let machine = try ScriptedMachine()
    #expect(machine.reasons(.gpu)[0].contains("libnvidia-ml.so.1) is not installed"))
    machine.devices.withLock { $0 = .devices([Self.device(joules: 100, watts: nil)]) }
    let meter = try machine.open(.gpu)
    let run = try MeteredRun(
      machine, meter,
      [
        {
          machine.pass(1)
          machine.devices.withLock { $0 = .devices([Self.device(joules: 150, watts: nil)]) }
        },
        {
          machine.pass(1)
          machine.devices.withLock { $0 = .failed }
        },
      ])
    #expect(isNear(run.joules, 50))
    #expect(isNear(try run.power.get().coverage, 0.5))
    #expect(meter.doubts == ["H200 0: it ended: NVML no longer lists it; what it told until then counts"])
  }

  @Test func `do not count for the processor's run unless they are asked for`() throws {
    let machine = try ScriptedMachine()
    machine.devices.withLock { $0 = .devices([Self.device(joules: 100, watts: nil)]) }
    #expect(machine.reasons() == ["this machine has no meter of the kind rapl, perf, msr, hwmon, battery"])
  }

  @Test(arguments: [
    (["energy1_input": "1000000", "power1_average": "9"], ["energy1_input": "31000000"]),
    (["power1_average": "15000000"], [:]), (["power1_input": "15000000"], [:]),
  ]) func `of AMD and Intel are read from their drivers`(before: [String: String], after: [String: String]) throws {
    let machine = try ScriptedMachine()
    let place = { (files: [String: String]) in
      Dictionary(uniqueKeysWithValues: files.map { ("sys/class/hwmon/hwmon4/\($0)", $1) })
    }
    try machine.write(place(before.merging(["name": "amdgpu\n"]) { $1 }))
    let run = try MeteredRun(machine, machine.open(.gpu), [{ try machine.write(place(after), after: 2) }])
    #expect(run.meter.counted == ["amdgpu"] && isNear(run.joules, 30))
  }
}

@Suite struct `An energy track` {
  /// Powers in watts, one each second from 0 on.
  private static func track(_ watts: [Double]) -> EnergyTrack {
    var track = EnergyTrack()
    for (second, value) in watts.enumerated() {
      track.add(.watts(value), at: Double(second), counter: CounterRange())
    }
    return track
  }

  @Test func `holds a steady power exactly, and no energy outside its readings`() throws {
    let track = Self.track([7, 7, 7, 7])
    let inside = try #require(track.meanPower(in: [.init(start: 0.5, end: 2.25)], refresh: 1, accuracy: 0))
    #expect(isNear(inside.watts, 7) && isNear(inside.low, 7) && isNear(inside.high, 7) && inside.coverage == 1)
    let half = try #require(track.meanPower(in: [.init(start: 2, end: 4)], refresh: 1, accuracy: 0))
    #expect(isNear(half.watts, 7) && isNear(half.coverage, 0.5))
    #expect(track.meanPower(in: [.init(start: 3, end: 9)], refresh: 1, accuracy: 0) == nil)
    #expect(track.meanPower(in: [], refresh: 1, accuracy: 0) == nil)
  }

  @Test func `bounds what may lie between readings, whatever they are`() throws {
    for seed in 0..<200 as Range<UInt64> {
      var random = SeededRandom(seed: seed)
      let values = (0..<8).map { _ in Double.random(in: 0...100, using: &random) }
      let track = Self.track(values)
      let power = try #require(track.meanPower(in: [.init(start: 0, end: 7)], refresh: 0, accuracy: 0))
      // Steps that hold the reading before or the one after are both inside.
      let (left, right) = (values.dropLast().reduce(0, +) / 7, values.dropFirst().reduce(0, +) / 7)
      #expect(power.low <= min(left, right) + 1e-9 && power.high >= max(left, right) - 1e-9)
      #expect(power.low <= power.watts && power.watts <= power.high)
    }
  }

  @Test func `takes no reading twice, none from the past, and none of another kind`() {
    var track = Self.track([5, 5])
    let before = track
    track.add(.watts(100), at: 1, counter: CounterRange())
    track.add(.watts(100), at: 0.5, counter: CounterRange())
    track.add(.joules(100), at: 2, counter: CounterRange())
    #expect(track == before)
  }

  @Test func `is surer of a longer time`() throws {
    var track = EnergyTrack()
    for step in 0...100 { track.add(.joules(Double(step) * 5), at: Double(step) / 10, counter: CounterRange()) }
    func width(_ seconds: Double) throws -> Double {
      let power = try #require(track.meanPower(in: [.init(start: 0, end: seconds)], refresh: 0.1, accuracy: 0))
      return (power.high - power.low) / power.watts
    }
    // Both ends are blurred by 0.1 s: 2·√2·0.1 s of the time.
    #expect(isNear(try width(1), 0.2 * 2.0.squareRoot()))
    #expect(isNear(try width(10), 0.02 * 2.0.squareRoot()))
  }
}
