// SPDX-License-Identifier: Apache-2.0
import Foundation
import Hardware
@testable import HardwareProbe
import Quantities
import Testing

@Suite struct `A line of a meter` {
  @Test(arguments: [
    ("42.5", 42.5), ("  7\r", 7), ("42.5 W", 42.5), ("1.5e2 watts", 150), ("power: 2500 mW", 2.5), ("0.3kW", 300),
    ("0", 0),
  ]) func `is watts`(line: String, watts: Double) {
    #expect(PowerLine.reading(line) == .watts(watts))
  }

  @Test(arguments: [
    ("1234 J", 1234.0), ("energy=0.5 kWh", 1.8e6), ("joules: 3", 3), ("2 Wh", 7200), ("1500 mJ", 1.5), ("energy 8", 8),
  ]) func `is counted joules where it says so`(line: String, joules: Double) {
    #expect(PowerLine.reading(line) == .joules(joules))
  }

  @Test(arguments: [
    "", "watts", "-3 W", "nan", "inf", "12 V", "cpu0 12 W 13 W", "1e999", "12 34", "temperature 55", "۴۲",
  ])
  func `is neither for anything else`(line: String) { #expect(PowerLine.reading(line) == nil) }
}

@Suite struct `A power command` {
  private static func reason(_ command: String) -> MeterError? {
    #expect(throws: MeterError.self) { try EnergyMeter.open(.command(command), MeterSurroundings(files: tree([:]))) }
    do {
      _ = try EnergyMeter.open(.command(command), MeterSurroundings(files: tree([:])))
      return nil
    } catch { return error }
  }

  /// A meter that tells a line for each that is written into its file.
  private static func open(_ machine: ScriptedMachine, _ command: String) throws -> EnergyMeter {
    try EnergyMeter.open(.command(command), machine.around).get()
  }

  /// Samples until the meter has died.
  private static func runDown(_ machine: ScriptedMachine, _ meter: EnergyMeter) {
    for _ in 0..<2000 where !meter.doubts.contains(where: { $0.contains("it ended") }) {
      meter.sample()
      usleep(5000)
    }
  }

  /// Samples until the meter has told so many figures.
  private static func sample(_ meter: EnergyMeter, until count: Int) {
    for _ in 0..<2000 where meter.track(0).points.count < count {
      meter.sample()
      usleep(5000)
    }
  }

  @Test func `is read line by line, what it told before it died counts, and its end is marked`() throws {
    let machine = try ScriptedMachine()
    let path = "\(machine.folder.path)/go"
    // It waits for the test, so that each line has the clock's time that the test gives it.
    let meter = try Self.open(
      machine, "echo 10; until [ -e '\(path)' ]; do sleep 0.005; done; echo -; echo 20 W; exit 3")
    Self.sample(meter, until: 1)
    machine.pass(4)
    try Data().write(to: URL(fileURLWithPath: path))
    Self.sample(meter, until: 2)
    Self.runDown(machine, meter)
    machine.pass(6)
    meter.finish(covering: machine.now, patience: 3)
    let power = try meter.meanPower(in: [.init(start: 1000, end: machine.now)]).get()
    #expect(isNear(power.watts, 15) && isNear(power.coverage, 0.4))
    #expect(power.low <= 10 && power.high >= 20)
    #expect(meter.doubts.count == 1 && meter.doubts[0].contains("the program ended with exit code 3"))
  }

  @Test func `that ends before its first figure is an error with its exit code`() {
    guard case .commandEnded(_, let reason) = Self.reason("exit 7") else {
      Issue.record("a program that tells nothing")
      return
    }
    #expect(reason == "the program ended with exit code 7")
    guard case .commandEnded(_, let reason) = Self.reason("kill -9 $$") else {
      Issue.record("a program that is killed")
      return
    }
    #expect(reason == "the program was ended by signal 9")
  }

  @Test func `that is not there, or floods without a figure, is an error and no hang`() {
    #expect(Self.reason("/no/such/meter 2>/dev/null")?.message.contains("exit code 127") == true)
    #expect(Self.reason("head -c 3000000 /dev/zero")?.message.contains("exit code 0") == true)
  }

  @Test func `is ended with the run, and all that it started`() throws {
    let machine = try ScriptedMachine()
    let path = "\(machine.folder.path)/pids"
    let meter = try Self.open(machine, "sleep 600 & echo $$ $! > '\(path)'; echo 5; wait; sleep 600")
    let processes = try String(contentsOfFile: path, encoding: .utf8).split { $0.isWhitespace }.compactMap { pid_t($0) }
    #expect(processes.count == 2 && processes.allSatisfy { kill($0, 0) == 0 })
    meter.stop()
    meter.stop()
    // A killed child of a child is taken by the first process at its own time.
    func isGone(_ process: pid_t) -> Bool {
      let state = (try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8))?.split(separator: ")").last
      return state.map { $0.hasPrefix(" Z") } ?? true
    }
    for _ in 0..<1000 where !processes.allSatisfy(isGone) { usleep(5000) }
    #expect(processes.allSatisfy(isGone))
  }

  @Test func `may tell counted joules`() throws {
    let machine = try ScriptedMachine()
    let path = "\(machine.folder.path)/go"
    let meter = try Self.open(machine, "echo 100 J; until [ -e '\(path)' ]; do sleep 0.005; done; echo 160 J")
    Self.sample(meter, until: 1)
    machine.pass(3)
    try Data().write(to: URL(fileURLWithPath: path))
    Self.sample(meter, until: 2)
    #expect(isNear(meter.track(0).points.last?.joules, 60))
    Self.runDown(machine, meter)
    #expect(meter.doubts.contains { $0.contains("exit code 0") })
  }
}

@Suite struct `A power log` {
  private static func log(_ text: String, _ body: (String) throws -> Void) throws {
    let folder = try RecordedMachine.temporaryFolder()
    defer { removeTemporary(folder.path) }
    let path = folder.appendingPathComponent("power.csv").path
    try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    try body(path)
  }

  @Test(arguments: [
    ("2026-01-31T12:00:00Z", 1_769_860_800.0), ("2026-01-31T13:00:00.250+01:00", 1_769_860_800.25),
    ("2024-02-29 23:59:59-0130", 1_709_256_599), ("1769860800.5", 1_769_860_800.5), ("1769860800500", 1_769_860_800.5),
    ("1970-01-01T00:00:00Z", 0),
  ]) func `has times of the day with their zone`(text: String, seconds: Double) {
    #expect(PowerLog.seconds(text) == seconds)
  }

  @Test(arguments: ["", "12:00", "2026-01-31T12:00:00", "2026-13-31T12:00:00Z", "2026-01-31T12:00:00+1", "-5", "nan"])
  func `has no time without a zone`(text: String) { #expect(PowerLog.seconds(text) == nil) }

  @Test func `is laid beside the run by the time of day, in any order, and may be written meanwhile`() throws {
    try Self.log("time,watts\n1002,10\n1000,10\n1004,30\n1006,3") { path in
      let machine = try ScriptedMachine()
      let meter = try EnergyMeter.open(.log(path: path), machine.around).get()
      let run = try MeteredRun(machine, meter, [{ machine.pass(4) }])
      let file = try #require(FileHandle(forWritingAtPath: path))
      try file.seekToEnd()
      try file.write(contentsOf: Data("0\n".utf8))
      meter.finish(covering: machine.now)
      // From 1000 to 1004: 10 W, then rising to 30 W.
      #expect(isNear(run.joules, 20 + 40))
      let later = try meter.meanPower(in: [.init(start: 1004, end: 1008)]).get()
      #expect(isNear(later.watts, 30) && isNear(later.coverage, 0.5))
    }
  }

  @Test func `of another day covers nothing and says so`() throws {
    try Self.log("1,5\n2,5\n") { path in
      let machine = try ScriptedMachine()
      let meter = try EnergyMeter.open(.log(path: path), machine.around).get()
      let run = try MeteredRun(machine, meter, [{ machine.pass(4) }])
      meter.finish(covering: machine.now)
      #expect(run.reason == "'\(path)': no reading covers the run")
    }
  }

  @Test func `may name its columns, and count joules`() throws {
    let readings = try PowerLog.readings(
      "id;energy (J);timestamp\n1;500;1000\n2;740;1002\n", path: "x")
    #expect(
      readings == [
        .init(seconds: 1000, reading: .joules(500)), .init(seconds: 1002, reading: .joules(740)),
      ])
  }

  @Test(arguments: [
    ("time,watts\n1000,10\nyesterday,7\n", 3), ("1000\n", 1), ("1000,10\n1001,\n", 2),
    ("time,watts\ntime,watts\nx\n", 3),
  ]) func `names the line that is none`(text: String, line: Int) {
    #expect(throws: MeterError.self) { try PowerLog.readings(text, path: "x") }
    do { _ = try PowerLog.readings(text, path: "x") } catch {
      guard case .logMalformed(_, let number, _) = error else { return }
      #expect(number == line)
      #expect(error.exitCode == .badInput)
    }
  }

  @Test func `that is not there is an error before the run`() {
    #expect(throws: MeterError.logUnreadable(path: "/no/such.csv", reason: "there is no such file")) {
      try EnergyMeter.open(.log(path: "/no/such.csv"))
    }
  }
}

@Suite struct `A given power` {
  @Test func `is taken at its word`() throws {
    let machine = try ScriptedMachine()
    let meter = try EnergyMeter.open(.constant(Power(watts: 50)), machine.around).get()
    let run = try MeteredRun(machine, meter, [{ machine.pass(2) }])
    let power = try run.power.get()
    #expect(meter.isGiven && isNear(power.watts, 50) && isNear(power.low, 50) && isNear(power.high, 50))
  }

  @Test func `beside a meter that was asked for and is not there is an error`() throws {
    let machine = try ScriptedMachine()
    let error = #expect(throws: MeterError.self) { try EnergyMeter.open(.kind(.rapl), machine.around) }
    #expect(error?.message == "The meter 'rapl' does not measure here: this machine has no meter of the kind rapl.")
  }
}
