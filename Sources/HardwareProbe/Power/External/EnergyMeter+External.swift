// SPDX-License-Identifier: Apache-2.0
package import Hardware
internal import Quantities

extension EnergyMeter {
  /// Seconds for a program's first figure.
  static let patience = 10

  /// Opens what somebody chose.
  ///
  /// - Returns: a failure only for `.best`, where no meter is a common answer and not an error.
  /// - Throws: when a meter that was asked for does not measure.
  package static func open(
    _ choice: MeterChoice, _ around: MeterSurroundings = .host
  ) throws(MeterError) -> Result<EnergyMeter, Unavailable> {
    switch choice {
    case .best: return open(MeterKind.processors, around)
    case .kind(let kind): return .success(try asked(kind.rawValue, open([kind], around)))
    case .sensor(let path): return .success(try asked(path, open(sensor: path, around)))
    case .command(let command): return .success(try open(command: command, around))
    case .log(let path): return .success(try open(log: path, around))
    case .constant(let power):
      let source = EnergySource.polled("\(power) as given", refresh: 0) { () throws(MeterFailure) in
        .watts(power.watts)
      }
      return .success(EnergyMeter(kind: "constant", [source], isGiven: true, clock: around.clock))
    }
  }

  private static func asked(
    _ name: String, _ opened: Result<EnergyMeter, Unavailable>
  ) throws(MeterError) -> EnergyMeter {
    switch opened {
    case .success(let meter): return meter
    case .failure(let failure): throw .unavailable(meter: name, reasons: failure.reasons)
    }
  }

  private static func open(command: String, _ around: MeterSurroundings) throws(MeterError) -> EnergyMeter {
    let program = try PowerCommand(command)
    do {
      try program.waitForFigure(seconds: patience, around.clock)
    } catch {
      program.stop()
      throw error
    }
    let source = EnergySource(name: "'\(command)'", refresh: 0, tellsLater: true) { now throws(MeterFailure) in
      try program.read(now)
    }
    return EnergyMeter(kind: "power command", [source], clock: around.clock, onStop: { program.stop() })
  }

  private static func open(log path: String, _ around: MeterSurroundings) throws(MeterError) -> EnergyMeter {
    // What is wrong already is told before the run, not after it.
    _ = try readings(path)
    let source = EnergySource(name: "'\(path)'", refresh: 0, isLog: true) { _ throws(MeterFailure) in
      do throws(MeterError) { return try readings(path) } catch { throw MeterFailure(error.message) }
    }
    return EnergyMeter(kind: "power log", [source], clock: around.clock)
  }

  private static func readings(_ path: String) throws(MeterError) -> [EnergySource.Stamped] {
    let bytes: [UInt8]
    do throws(ReadFailure) {
      bytes = try FileTree.read(path, limit: 1 << 28)
    } catch {
      throw .logUnreadable(path: path, reason: error.description)
    }
    return try PowerLog.readings(String(decoding: bytes, as: UTF8.self), path: path)
  }
}
