// SPDX-License-Identifier: Apache-2.0
internal import Quantities

/// Accelerators' own meters: NVML's, and those of graphics drivers among the hardware monitors.
enum DeviceSources {
  static let title = "device"
  /// NVML's counter moves every 20 to 100 ms; its power is a mean over up to a second, right to 5 %.
  static let (counterRefresh, powerRefresh, accuracy) = (0.1, 1.0, 0.05)

  static func sources(_ around: MeterSurroundings) -> SourceFinding {
    let cards = MonitorSources.chips(around.files).filter { MonitorSources.cardDrivers.contains($0.name) }
      .compactMap { MonitorSources.card(around.files, $0) }
    let answer = around.nvidia()
    let devices = answer.list.enumerated().filter { $1.energy != nil || $1.hasPower }.map { index, device in
      nvidia(index, device, around.nvidia)
    }
    let all = devices + cards
    return SourceFinding(
      title, all, obstacle: all.isEmpty ? "no device tells its power: \(answer.reason)" : nil)
  }

  private static func nvidia(
    _ index: Int, _ device: NVIDIADevices.Device, _ ask: @escaping @Sendable () -> NVIDIADevices
  ) -> EnergySource {
    let counts = device.energy != nil
    return .polled(
      "\(device.name) \(index)", range: CounterRange(mostWatts: 2000),
      refresh: counts ? counterRefresh : powerRefresh, accuracy: counts ? 0 : accuracy
    ) { () throws(MeterFailure) in
      let list = ask().list
      guard index < list.count, list[index].name == device.name else { throw MeterFailure("NVML no longer lists it") }
      if counts, let energy = list[index].energy { return .joules(energy.joules) }
      if !counts, let power = list[index].power { return .watts(power.watts) }
      throw MeterFailure("NVML no longer tells it")
    }
  }
}
