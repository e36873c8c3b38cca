// SPDX-License-Identifier: Apache-2.0
internal import CHostProbe
internal import Hardware
internal import Quantities

/// What NVIDIA's management library answers.
enum NVIDIADevices: Sendable {
  struct Device: Sendable {
    var name: String
    var memoryTotal: Known<ByteCount>
    var memoryFree: Known<ByteCount>
    var capability: String?
    var powerLimit: Known<Power>
    var power: Power?
    var energy: Energy?

    var hasPower: Bool { power != nil }
  }

  case devices([Device])
  /// There is no such library on this machine: the normal case without such a device.
  case noLibrary
  case failed
  /// A recording: libraries answer for this machine only.
  case notAsked

  static var live: NVIDIADevices {
    var devices = [chp_nvml_device](repeating: chp_nvml_device(), count: 64)
    let count = chp_nvml_devices(&devices, Int32(devices.count))
    switch count {
    case 0...: return .devices(devices.prefix(Int(count)).map { Device($0) })
    case Int32(CHP_NVML_ABSENT): return .noLibrary
    default: return .failed
    }
  }

  var list: [Device] { if case .devices(let devices) = self { devices } else { [] } }

  /// Why there is no answer.
  var reason: String {
    switch self {
    case .devices: "NVML does not tell it"
    case .noLibrary: "NVIDIA's management library (libnvidia-ml.so.1) is not installed"
    case .failed: "NVIDIA's management library does not start; its driver may not be loaded"
    case .notAsked: "a recording does not hold what NVML tells"
    }
  }
}

extension NVIDIADevices.Device {
  init(_ device: chp_nvml_device) {
    var device = device
    name = String(cString: chp_nvml_name(&device))
    if name.isEmpty { name = "NVIDIA GPU" }
    let known: (UInt64) -> Known<ByteCount> = { bytes in
      device.has_memory != 0 && bytes <= 1 << 60
        ? .exact(ByteCount(Int64(bytes)), .measured) : .unknown(reason: "NVML does not tell this device's memory")
    }
    memoryTotal = known(device.memory_total)
    memoryFree = known(device.memory_free)
    capability = device.has_capability != 0 ? "\(device.capability_major).\(device.capability_minor)" : nil
    powerLimit =
      device.has_power_limit != 0
      ? .exact(Power(watts: Double(device.power_limit_milliwatts) / 1000), .measured, source: "NVML power limit")
      : .unknown(reason: "NVML does not tell this device's power limit")
    power = device.has_power != 0 ? Power(watts: Double(device.power_milliwatts) / 1000) : nil
    energy = device.has_energy != 0 ? Energy(joules: Double(device.energy_millijoules) / 1000) : nil
  }
}
