// SPDX-License-Identifier: Apache-2.0
package import Quantities

/// A device with its own memory, or a graphics unit that shares the machine's.
package struct Accelerator: Sendable, Equatable {
  package enum Kind: String, Sendable { case gpu, integratedGPU = "integrated-gpu", npu }

  package var name: String
  package var vendor: String
  package var kind: Kind
  package var memoryTotal: Known<ByteCount>
  package var memoryFree: Known<ByteCount>
  package var hasUnifiedMemory: Bool
  package var bandwidth: Known<Bandwidth>
  package var peaks: PeakRates
  package var power: PowerFigures
  /// `GDDR6X`, `HBM3`, `LPDDR5X`; decides the efficiency class.
  package var memoryTechnology: String?
  package var computeCapability: String?
  package var links: DeviceLinks
  /// Where it was found: `NVML`, `/sys/class/drm/card0`, a catalogue.
  package var source: String

  package init(
    name: String, vendor: String, kind: Kind, memoryTotal: Known<ByteCount>, memoryFree: Known<ByteCount>,
    hasUnifiedMemory: Bool = false, bandwidth: Known<Bandwidth> = .unknown(reason: "not in the machine table"),
    peaks: PeakRates = PeakRates(), power: PowerFigures = PowerFigures(), memoryTechnology: String? = nil,
    computeCapability: String? = nil, links: DeviceLinks = DeviceLinks(), source: String
  ) {
    self.name = name
    self.vendor = vendor
    self.kind = kind
    self.memoryTotal = memoryTotal
    self.memoryFree = memoryFree
    self.hasUnifiedMemory = hasUnifiedMemory
    self.bandwidth = bandwidth
    self.peaks = peaks
    self.power = power
    self.memoryTechnology = memoryTechnology
    self.computeCapability = computeCapability
    self.links = links
    self.source = source
  }
}

/// Something that can tell power or energy, readable or not.
package struct PowerSensor: Sendable, Equatable {
  package enum Kind: String, Sendable { case rapl, perf, msr, hwmon, battery, nvml }
  package var kind: Kind
  /// What it covers: `package-0`, `dram`, `VDD_IN`.
  package var domain: String
  package var path: String
  package var isReadable: Bool
  /// Why it cannot be read, or what it covers when it can.
  package var reason: String
  /// Where an energy counter wraps round; nil for a sensor that gives power.
  package var counterRange: Energy?
  package init(
    kind: Kind, domain: String, path: String, isReadable: Bool, reason: String, counterRange: Energy? = nil
  ) {
    self.kind = kind
    self.domain = domain
    self.path = path
    self.isReadable = isReadable
    self.reason = reason
    self.counterRange = counterRange
  }
}
