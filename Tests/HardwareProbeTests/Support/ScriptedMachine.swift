// SPDX-License-Identifier: Apache-2.0
import Foundation
@testable import HardwareProbe
import Hardware
import Quantities
import Synchronization
import Testing

/// A machine whose files and clock a test moves by hand.
final class ScriptedMachine: @unchecked Sendable {
  let folder: URL
  private let time = Mutex(1000.0)
  let devices = Mutex<NVIDIADevices>(.noLibrary)
  /// Counts of events by their configuration; none refuses to open.
  let events = Mutex<[UInt64: UInt64]>([:])
  let refusal = Mutex<Int32?>(nil)

  init() throws { folder = try RecordedMachine.temporaryFolder() }
  deinit { removeTemporary(folder.path) }

  var now: Double { time.withLock { $0 } }

  var around: MeterSurroundings {
    MeterSurroundings(
      files: FileTree(folder: folder.path), nvidia: { self.devices.withLock { $0 } },
      perf: { _, config, _ in
        if let code = self.refusal.withLock({ $0 }) { return .failure(.init(errno: code)) }
        return .success { self.events.withLock { $0[config] } }
      }, clock: { self.now })
  }

  /// Writes files below the root and lets time pass.
  func write(_ files: [String: String], after seconds: Double = 0) throws {
    time.withLock { $0 += seconds }
    try HardwareProbeTests.write(files, below: folder)
  }

  func pass(_ seconds: Double) { time.withLock { $0 += seconds } }
  func remove(_ path: String) throws { try FileManager.default.removeItem(at: folder.appendingPathComponent(path)) }

  func open(_ kinds: MeterKind...) throws -> EnergyMeter {
    try EnergyMeter.open(kinds.isEmpty ? MeterKind.processors : kinds, around).get()
  }

  /// Why a meter does not open.
  func reasons(_ kinds: MeterKind...) -> [String] {
    let opened = EnergyMeter.open(kinds.isEmpty ? MeterKind.processors : kinds, around)
    return if case .failure(let why) = opened { why.reasons } else { [] }
  }
}

/// Runs a meter through steps that change the machine, and answers for the time between the first and the last reading.
struct MeteredRun {
  let meter: EnergyMeter
  let window: EnergyTrack.Window

  init(_ machine: ScriptedMachine, _ meter: EnergyMeter, _ steps: [() throws -> Void]) throws {
    self.meter = meter
    let start = meter.sample()
    for step in steps {
      try step()
      meter.sample()
    }
    window = .init(start: start, end: machine.now)
  }

  var power: Result<MeanPower, MeterFailure> { meter.meanPower(in: [window]) }
  /// Energy over the covered time.
  var joules: Double? { (try? power.get()).map { $0.watts * window.seconds * $0.coverage } }
  var reason: String? { if case .failure(let failure) = power { failure.reason } else { nil } }
}

func isNear(_ value: Double?, _ expected: Double) -> Bool {
  value.map { abs($0 - expected) <= 1e-9 * max(1, abs(expected)) } ?? false
}
