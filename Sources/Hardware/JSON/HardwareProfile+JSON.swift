// SPDX-License-Identifier: Apache-2.0
package import JSONText
internal import Quantities

extension HardwareProfile.Origin: CaseIterable {
  package static var allCases: [Self] { [.probed, .recorded, .catalogue, .described] }
}

extension HardwareProfile {
  /// The profile in the form of docs/profile-schema.md; reading it back gives an equal value.
  package var json: JSON {
    .object(present: [
      ("schemaVersion", JSON(Self.schemaVersion)), ("name", .string(name)), ("origin", .string(origin.rawValue)),
      ("processor", processor.json), ("memory", memory.json), ("accelerators", .array(accelerators.map(\.json))),
      ("powerSensors", .array(powerSensors.map(\.json))), ("storage", .array(storage.map(\.json))),
      ("operatingSystem", operatingSystem?.json ?? .null), ("virtualisation", virtualisation.json),
      ("container", container.json), ("frequency", frequency.json), ("power", power.json),
      ("calibration", calibration?.json ?? .null), ("notes", .array(notes.map { .string($0) })),
    ])
  }

  /// Reads a profile; an answer of `probe --json`, which holds one under `profile`, is taken too.
  ///
  /// - Parameter file: the name that errors give to the text.
  package init(json: JSON, file: String) throws(HardwareProfileError) {
    let reader = ProfileReader(json["profile"] ?? json, file: file)
    let version = try reader.optional("schemaVersion")?.int(atLeast: 1) ?? 1
    guard version <= Self.schemaVersion else { throw .newerSchema(file: file, version: version) }
    self.init(
      name: try reader.required("name").string(),
      origin: try reader.optional("origin")?.word(Origin.self) ?? .described,
      processor: try Processor(reading: try reader.required("processor")),
      memory: try MemorySystem(reading: try reader.required("memory")))
    for item in try reader.list("accelerators") { accelerators.append(try Accelerator(reading: item)) }
    for item in try reader.list("powerSensors") { powerSensors.append(try PowerSensor(reading: item)) }
    for item in try reader.list("storage") { storage.append(try StorageDevice(reading: item)) }
    for item in try reader.list("notes") { notes.append(try item.string()) }
    if let item = reader.optional("operatingSystem") { operatingSystem = try OperatingSystem(reading: item) }
    if let item = reader.optional("virtualisation") { virtualisation = try Virtualisation(reading: item) }
    if let item = reader.optional("container") { container = try Container(reading: item) }
    if let item = reader.optional("frequency") { frequency = try FrequencyPolicy(reading: item) }
    if let item = reader.optional("power") { power = try PowerFigures(reading: item) }
    if let item = reader.optional("calibration") { calibration = try Calibration(reading: item) }
  }
}

extension OperatingSystem {
  var json: JSON { .object(present: [("name", .string(name)), ("kernel", .string(kernel))]) }
  init(reading reader: ProfileReader) throws(HardwareProfileError) {
    self.init(name: try reader.required("name").string(), kernel: try reader.required("kernel").string())
  }
}

extension StorageDevice {
  var json: JSON {
    .object(present: [
      ("name", .string(name)), ("capacityBytes", JSON(capacity)),
      ("rotational", isRotational.map { .bool($0) } ?? .null),
    ])
  }
  init(reading reader: ProfileReader) throws(HardwareProfileError) {
    self.init(
      name: try reader.required("name").string(), capacity: try reader.optional("capacityBytes")?.bytes(),
      isRotational: try reader.optional("rotational")?.bool())
  }
}

extension Virtualisation {
  private enum Kind: String, CaseIterable { case bareMetal = "bare-metal", virtualMachine = "virtual-machine", unknown }

  package var json: JSON {
    switch self {
    case .bareMetal: ["kind": "bare-metal", "hypervisor": nil]
    case .virtualMachine(let hypervisor): ["kind": "virtual-machine", "hypervisor": .string(hypervisor)]
    case .unknown: ["kind": "unknown", "hypervisor": nil]
    }
  }

  init(reading reader: ProfileReader) throws(HardwareProfileError) {
    switch try reader.required("kind").word(Kind.self) {
    case .bareMetal: self = .bareMetal
    case .virtualMachine: self = .virtualMachine(hypervisor: try reader.optional("hypervisor")?.string() ?? "unknown")
    case .unknown: self = .unknown
    }
  }
}

extension Container {
  package var json: JSON { .object(present: [("kind", JSON(kind)), ("evidence", JSON(evidence))]) }
  init(reading reader: ProfileReader) throws(HardwareProfileError) {
    self.init(kind: try reader.optional("kind")?.string(), evidence: try reader.optional("evidence")?.string())
  }
}

extension FrequencyPolicy {
  var json: JSON {
    .object(present: [
      ("governor", JSON(governor)), ("maximumHertz", JSON(maximumHertz)), ("throttleEvents", JSON(throttleEvents)),
    ])
  }
  init(reading reader: ProfileReader) throws(HardwareProfileError) {
    self.init(
      governor: try reader.optional("governor")?.string(),
      maximumHertz: try reader.optional("maximumHertz")?.double(),
      throttleEvents: try reader.optional("throttleEvents")?.int())
  }
}
