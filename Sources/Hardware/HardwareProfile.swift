// SPDX-License-Identifier: Apache-2.0
package import Quantities

/// A whole machine as one value: probed here, read from a recording, taken from the catalogue or typed in.
///
/// What a source does not tell is absent or unknown with a reason; it is never zero.
package struct HardwareProfile: Sendable, Equatable {
  /// The version of the JSON form that this program writes, and the newest that it reads.
  package static let schemaVersion = 1

  package enum Origin: String, Sendable {
    case probed, recorded, catalogue, described
  }

  package var name: String
  package var origin: Origin
  package var processor: Processor
  package var memory: MemorySystem
  package var accelerators: [Accelerator]
  package var powerSensors: [PowerSensor]
  package var storage: [StorageDevice]
  package var operatingSystem: OperatingSystem?
  package var virtualisation: Virtualisation
  package var container: Container
  package var frequency: FrequencyPolicy
  package var power: PowerFigures
  package var calibration: Calibration?
  /// Doubts about the reading itself: sources that disagree, files that could not be read.
  package var notes: [String]

  package init(
    name: String, origin: Origin, processor: Processor, memory: MemorySystem, accelerators: [Accelerator] = [],
    powerSensors: [PowerSensor] = [], storage: [StorageDevice] = [], operatingSystem: OperatingSystem? = nil,
    virtualisation: Virtualisation = .unknown, container: Container = Container(),
    frequency: FrequencyPolicy = FrequencyPolicy(), power: PowerFigures = PowerFigures(),
    calibration: Calibration? = nil, notes: [String] = []
  ) {
    self.name = name
    self.origin = origin
    self.processor = processor
    self.memory = memory
    self.accelerators = accelerators
    self.powerSensors = powerSensors
    self.storage = storage
    self.operatingSystem = operatingSystem
    self.virtualisation = virtualisation
    self.container = container
    self.frequency = frequency
    self.power = power
    self.calibration = calibration
    self.notes = notes
  }
}

/// The kernel and distribution, for reports; nothing is computed from it.
package struct OperatingSystem: Sendable, Equatable {
  package var name: String
  package var kernel: String
  package init(name: String, kernel: String) {
    self.name = name
    self.kernel = kernel
  }
}

/// A block device that could hold weights.
package struct StorageDevice: Sendable, Equatable {
  package var name: String
  package var capacity: ByteCount?
  package var isRotational: Bool?
  package init(name: String, capacity: ByteCount?, isRotational: Bool?) {
    self.name = name
    self.capacity = capacity
    self.isRotational = isRotational
  }
}

package enum Virtualisation: Sendable, Equatable {
  case bareMetal
  /// Runs under a hypervisor; the name is the hypervisor's own (`KVM`, `Microsoft Hv`).
  case virtualMachine(hypervisor: String)
  case unknown
}

package struct Container: Sendable, Equatable {
  /// `docker`, `podman`, `kubernetes`, `lxc` ...; nil outside a container.
  package var kind: String?
  /// What gave it away.
  package var evidence: String?
  package init(kind: String? = nil, evidence: String? = nil) {
    self.kind = kind
    self.evidence = evidence
  }
}

/// How the clock is governed, and whether it was throttled since boot.
package struct FrequencyPolicy: Sendable, Equatable {
  package var governor: String?
  package var maximumHertz: Double?
  package var throttleEvents: Int?
  package init(governor: String? = nil, maximumHertz: Double? = nil, throttleEvents: Int? = nil) {
    self.governor = governor
    self.maximumHertz = maximumHertz
    self.throttleEvents = throttleEvents
  }
}

/// The vendor's power figures of the part that computes.
package struct PowerFigures: Sendable, Equatable {
  package var thermalDesign: Known<Power>
  package var idle: Known<Power>
  package init(
    thermalDesign: Known<Power> = .unknown(reason: "no vendor figure for this machine"),
    idle: Known<Power> = .unknown(reason: "no figure for this machine")
  ) {
    self.thermalDesign = thermalDesign
    self.idle = idle
  }
}
