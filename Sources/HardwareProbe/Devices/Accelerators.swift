// SPDX-License-Identifier: Apache-2.0
internal import Hardware
internal import Quantities

/// GPUs and NPUs, from NVML and from the kernel's DRM, KFD and PCI folders. To find none is normal.
struct Accelerators {
  let found: [Accelerator]

  init(_ files: FileTree, nvidia: NVIDIADevices) {
    let links = PCIDevice.commonLinks(of: 0x10DE, files)
    let devices = nvidia.list.map { Accelerator($0, links) }
    let cards = GraphicsCard.all(files)
    let named = Set(cards.map(\.address))
    let others = PCIDevice.all(files).filter { !named.contains($0.address) }
      .compactMap { Accelerator($0, nvidia: nvidia) }
    found = devices + cards.map(\.accelerator) + others + Self.board(files)
  }

  /// Boards whose GPU sits on the chip and is no PCI device (NVIDIA Jetson).
  private static func board(_ files: FileTree) -> [Accelerator] {
    guard let names = files.text("/proc/device-tree/compatible"), names.contains("nvidia,tegra") else { return [] }
    let total = MemoryReading(files).total
    return [
      Accelerator(
        name: files.text("/proc/device-tree/model") ?? "NVIDIA Tegra", vendor: "NVIDIA", kind: .integratedGPU,
        memoryTotal: total, memoryFree: MemoryReading(files).available, hasUnifiedMemory: true,
        source: "/proc/device-tree/compatible")
    ]
  }
}

extension Accelerator {
  init(_ device: NVIDIADevices.Device, _ links: DeviceLinks) {
    self.init(
      name: device.name, vendor: "NVIDIA", kind: .gpu, memoryTotal: device.memoryTotal, memoryFree: device.memoryFree,
      power: PowerFigures(thermalDesign: device.powerLimit), computeCapability: device.capability,
      links: links, source: "NVML")
  }

  /// A device that only its PCI numbers tell of; nil when it computes nothing for us or is listed already.
  init?(_ device: PCIDevice, nvidia: NVIDIADevices) {
    guard let vendor = PCIDevice.vendors[device.vendor] else { return nil }
    if vendor == "NVIDIA", !nvidia.list.isEmpty { return nil }
    // Without its graphics driver a processor's own display unit cannot compute.
    guard device.isProcessing || vendor == "NVIDIA" || vendor == "AMD" else { return nil }
    let reason = vendor == "NVIDIA" ? nvidia.reason : "no kernel driver tells this device's memory"
    self.init(
      name: "\(vendor) device \(device.numbers)", vendor: vendor, kind: device.isProcessing ? .npu : .gpu,
      memoryTotal: .unknown(reason: reason), memoryFree: .unknown(reason: reason),
      source: "/sys/bus/pci/devices/\(device.address)")
  }
}

/// A PCI device that draws or computes.
struct PCIDevice {
  var address: String
  var vendor: Int
  var device: Int
  /// Class 0x12, processing accelerators; else display (0x03). (PCI Code and ID Assignment Specification.)
  var isProcessing: Bool

  /// Makers of accelerators; display controllers of servers (ASPEED, Matrox) and of virtual machines are none.
  static let vendors = [
    0x10DE: "NVIDIA", 0x1002: "AMD", 0x1022: "AMD", 0x8086: "Intel", 0x1DA3: "Habana", 0x1E52: "Tenstorrent",
  ]

  var numbers: String { "\(hexadecimal(vendor)):\(hexadecimal(device))" }

  static func all(_ files: FileTree) -> [PCIDevice] {
    let folder = "/sys/bus/pci/devices"
    return files.names(in: folder).compactMap { address in
      guard let number = files.hexadecimal("\(folder)/\(address)/class"), [0x03, 0x12].contains(number >> 16),
        let vendor = files.hexadecimal("\(folder)/\(address)/vendor"),
        let device = files.hexadecimal("\(folder)/\(address)/device")
      else { return nil }
      // Class 0x0302, 3D controllers, have no display at all: data centre devices.
      return PCIDevice(address: address, vendor: vendor, device: device, isProcessing: number >> 16 == 0x12)
    }
  }
}

extension PCIDevice {
  /// The link that all display devices of a maker have alike: NVML and the kernel may list them in different orders.
  static func commonLinks(of vendor: Int, _ files: FileTree) -> DeviceLinks {
    let own = all(files).filter { $0.vendor == vendor && !$0.isProcessing }
    let links = own.map { files.links("/sys/bus/pci/devices/\($0.address)") }
    guard let first = links.first, links.allSatisfy({ $0.host.value == first.host.value }) else { return DeviceLinks() }
    return first
  }
}

extension FileTree {
  /// The lanes in use at the device's fastest speed: a device that sleeps lowers its speed, not its lanes.
  func links(_ device: String) -> DeviceLinks {
    guard let speed = text("\(device)/max_link_speed"), let width = text("\(device)/current_link_width"),
      let link = ExpressLink(speed: speed, width: width)
    else { return DeviceLinks() }
    return DeviceLinks(
      host: .exact(link.bandwidth, .measured, source: "PCI Express \(link.generation).0 x\(link.lanes), \(device)"))
  }
}

func hexadecimal(_ number: Int) -> String {
  let digits = String(number, radix: 16)
  return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
}

extension FileTree {
  /// A number that the kernel writes as `0x1002`.
  func hexadecimal(_ path: String) -> Int? {
    text(path).flatMap { Int($0.hasPrefix("0x") ? String($0.dropFirst(2)) : $0, radix: 16) }
      .flatMap { $0 >= 0 && $0 < 1 << 32 ? $0 : nil }
  }
}
