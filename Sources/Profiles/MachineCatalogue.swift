// SPDX-License-Identifier: Apache-2.0
package import Hardware
internal import JSONText
internal import Quantities

/// The machines and devices known by their vendors' figures.
package struct MachineCatalogue: Sendable {
  package let machines: [MachineDescription]

  package init(machines: [MachineDescription]) { self.machines = machines }

  /// - Throws: ``ProfileError`` naming the file and the entry.
  package init(library: ProfileLibrary) throws(ProfileError) {
    var machines: [MachineDescription] = []
    for path in library.files(of: "machines") {
      machines += try Self.machines(inFile: path, bytes: try ProfileLibrary.read(path))
    }
    self.init(machines: machines)
  }

  /// The machine that a name means: an exact spelling, else the one with the fewest words beyond those given.
  package func machine(named name: String) throws(ProfileError) -> MachineDescription {
    switch NameMatcher(machines.map { [[$0.name]] }).find(name) {
    case .found(let index): return machines[index]
    case .ambiguous(let indices): throw .ambiguousMachine(name: name, candidates: indices.map { machines[$0].name })
    case .none(let suggestions):
      throw .unknownMachine(name: name, suggestions: suggestions.map { machines[$0].name })
    }
  }

  /// `2x RTX 3090 + RTX 3060, host-memory=64GB`: how many, a name, further ones, and what is added to all.
  ///
  /// - Throws: ``ProfileError`` for a name that is none, ``MachineDescriptionError`` for what is added.
  package func machine(described text: String) throws -> MachineDescription {
    if let exact = machines.first(where: { $0.name.lowercased() == text.lowercased() }) { return exact }
    let parts = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    // A name may hold commas itself; what is added to one holds '=' or is a word of its own.
    let additions = parts.dropFirst().reversed().prefix { $0.contains("=") || $0.lowercased().contains("nvlink") }
    let name = parts.dropLast(additions.count).joined(separator: ",")
    let machines = try name.split(separator: " + ").map { try several(String($0)).adding(additions.reversed()) }
    guard let first = machines.first else { return try machine(named: name) }
    return try first.with(Array(machines.dropFirst()))
  }

  /// `2x NAME` and `NAME`.
  private func several(_ text: String) throws(ProfileError) -> MachineDescription {
    let digits = text.prefix { $0.isNumber }
    let rest = text.dropFirst(digits.count).drop { $0 == " " }
    guard let count = Int(digits), rest.first.map({ "x×".contains($0) }) == true,
      !machines.contains(where: { $0.name.lowercased() == text.lowercased() }),
      let found = try? machine(named: String(rest.dropFirst())), let machine = found.repeated(count)
    else { return try machine(named: text) }
    return machine
  }

  static func machines(inFile path: String, bytes: [UInt8]) throws(ProfileError) -> [MachineDescription] {
    let root: JSON
    do { root = try JSON(parsing: bytes) } catch { throw .invalidJSON(path: path, error) }
    guard let list = root["machines"]?.arrayValue else {
      throw .invalidProfile(path: path, item: "machines", problem: "is missing or no list")
    }
    var machines: [MachineDescription] = []
    for (index, item) in list.enumerated() {
      guard let name = item["name"]?.stringValue else {
        throw .invalidProfile(path: path, item: "machines[\(index)]", problem: "lacks 'name'")
      }
      guard let computes = item["computes"]?.stringValue.flatMap(MachineDescription.Computes.init) else {
        throw .invalidProfile(path: path, item: name, problem: "has no 'computes' of gpu, integrated-gpu or cpu")
      }
      machines.append(machine(name, computes, item, path: path))
    }
    return machines
  }

  private static func machine(
    _ name: String, _ computes: MachineDescription.Computes, _ item: JSON, path: String
  ) -> MachineDescription {
    func quantity<Value: Quantity>(_ key: String) -> Value? {
      item[key]?.doubleValue.flatMap { $0 > 0 && $0 < 1e18 ? Value(magnitude: $0) : nil }
    }
    var machine = MachineDescription(
      name: name, vendor: item["vendor"]?.stringValue ?? "unknown", computes: computes,
      source: item["source"]?.stringValue ?? path)
    machine.devices = min(64, max(1, item["devices"]?.intValue ?? 1))
    machine.sockets = min(64, max(1, item["sockets"]?.intValue ?? 1))
    machine.cores = item["cores"]?.intValue.flatMap { (1...65_536).contains($0) ? $0 : nil }
    machine.memory = quantity("memoryBytes")
    machine.memoryTechnology = item["memoryTechnology"]?.stringValue
    machine.bandwidth = quantity("bandwidthBytesPerSecond")
    machine.float32 = quantity("float32OperationsPerSecond")
    machine.float16 = quantity("float16OperationsPerSecond")
    machine.int8 = quantity("int8OperationsPerSecond")
    machine.thermalDesign = quantity("thermalDesignWatts")
    machine.idle = quantity("idleWatts")
    machine.hostLink = quantity("hostLinkBytesPerSecond")
    machine.peerLink = quantity("peerLinkBytesPerSecond")
    machine.bridge = quantity("bridgeBytesPerSecond")
    return machine
  }
}

extension HardwareProfile {
  /// Adds the vendor's figures to probed devices whose names the catalogue knows.
  package func completed(from catalogue: MachineCatalogue) -> HardwareProfile {
    var result = self
    for index in result.accelerators.indices {
      let device = result.accelerators[index]
      guard device.bandwidth.value == nil, let known = try? catalogue.machine(named: device.name) else { continue }
      guard let figures = known.profile.accelerators.first else { continue }
      result.accelerators[index].bandwidth = figures.bandwidth
      result.accelerators[index].peaks = figures.peaks
      result.accelerators[index].memoryTechnology = device.memoryTechnology ?? figures.memoryTechnology
      if device.links.host.value == nil { result.accelerators[index].links.host = figures.links.host }
      if device.links.peer.value == nil { result.accelerators[index].links.peer = figures.links.peer }
      if device.power.thermalDesign.value == nil { result.accelerators[index].power = figures.power }
    }
    return result
  }
}
