// SPDX-License-Identifier: Apache-2.0
package import Quantities

/// Why a machine typed in as `kind=gpu,memory=24GB,...` is not understood.
package enum MachineDescriptionError: ExplainedError, Equatable {
  case notKeyValue(String)
  case unknownKey(String)
  case unknownKind(String)
  case missing(key: String)
  case repeated(key: String)
  case badValue(key: String, value: String, QuantityParseError)
  case notACount(key: String, value: String)
  case zero(key: String, value: String)
  case notALink(key: String, value: String)
  case noBridge(machine: String)
  case notBeside(machine: String)

  package var kind: String { "machine_description" }

  package var message: String {
    switch self {
    case .notKeyValue(let part): "'\(part)' in the machine's description is no key=value."
    case .unknownKey(let key): "A machine's description has no key '\(key)'."
    case .unknownKind(let value): "'\(value)' is no kind of machine."
    case .missing(let key): "The machine's description lacks '\(key)'."
    case .repeated(let key): "The machine's description has '\(key)' twice."
    case .badValue(let key, let value, let error): "'\(key)=\(value)' is not understood: \(Self.reason(error))."
    case .notACount(let key, let value): "'\(key)=\(value)' is no whole number from 1."
    case .zero(let key, let value): "'\(key)=\(value)' is zero; leave out what is not known."
    case .notALink(let key, let value): "'\(key)=\(value)' is no generation and number of lanes."
    case .noBridge(let machine): "Nothing is known of a bridge between two of '\(machine)'."
    case .notBeside(let machine): "'\(machine)' is no device with a memory of its own that could stand beside others."
    }
  }

  private static func reason(_ error: QuantityParseError) -> String {
    switch error {
    case .notANumber: "it does not start with a number"
    case .missingUnit(_, let choices): "the unit is missing, one of \(choices.prefix(8).joined(separator: ", "))"
    case .ambiguousUnit(_, let choices): "the unit could be \(choices.joined(separator: " or "))"
    case .unknownUnit(_, let choices): "the unit is none of \(choices.prefix(8).joined(separator: ", "))"
    }
  }

  package var remedy: String {
    "Write it like kind=gpu,memory=24GB,bandwidth=1008GB/s,fp16=165TFLOP/s,int8=330TOP/s,tdp=450W; "
      + "kinds: gpu, integrated-gpu, cpu; further keys: name, vendor, cores, sockets, devices, fp32, idle, memory-type, pcie "
      + "(4x16), peer-link (56GB/s, one way), host-memory, host-bandwidth, host-cores. A name of the catalogue takes such "
      + "keys behind it, and 'nvlink': \"2x RTX 3090, nvlink, host-memory=64GB, host-bandwidth=50GB/s, "
      + "host-cores=16\". "
      + "Unequal devices are joined by ' + ': \"RTX 3090 + RTX 3060\"."
  }

  package var exitCode: ExitReason { .badInput }
}

extension MachineDescription {
  /// Whether a text is meant as a description: it starts with one of its keys.
  package static func looksInline(_ text: String) -> Bool { text.split(separator: ",").first?.contains("=") == true }

  /// Reads `kind=gpu,memory=24GB,bandwidth=1008GB/s,fp16=165TFLOP/s,int8=330TOP/s,tdp=450W`.
  package init(inline text: String) throws(MachineDescriptionError) {
    self.init(name: "described machine", vendor: "unknown", computes: .cpu, source: "as described on the command line")
    origin = .described
    var keys: Set<String> = []
    for part in text.split(separator: ",") {
      let pieces = part.split(separator: "=", maxSplits: 1)
      guard pieces.count == 2 else { throw .notKeyValue(String(part)) }
      let (key, value) = (Self.trimmed(pieces[0]), Self.trimmed(pieces[1]))
      guard keys.insert(key).inserted else { throw .repeated(key: key) }
      try set(key, value)
    }
    guard keys.contains("kind") else { throw .missing(key: "kind") }
    guard memory != nil else { throw .missing(key: "memory") }
    guard bandwidth != nil else { throw .missing(key: "bandwidth") }
  }

  /// The machine with what somebody adds to its name: keys with values, and `nvlink` for a bridge between two devices.
  package func adding(_ parts: [String]) throws(MachineDescriptionError) -> MachineDescription {
    var machine = self
    for part in parts {
      let pieces = part.split(separator: "=", maxSplits: 1)
      if Self.trimmed(part[...]).lowercased() == "nvlink" {
        guard let rate = bridge ?? peerLink else { throw .noBridge(machine: name) }
        machine.peerLink = rate
      } else if pieces.count == 2 {
        try machine.set(Self.trimmed(pieces[0]), Self.trimmed(pieces[1]))
      } else {
        throw .notKeyValue(Self.trimmed(part[...]))
      }
    }
    return machine
  }

  /// So many of its devices, or of its processors, in one machine; nil of a machine that has several.
  package func repeated(_ count: Int) -> MachineDescription? {
    guard devices == 1, sockets == 1, (1...64).contains(count) else { return nil }
    var machine = self
    if computes == .cpu {
      machine.sockets = count
      machine.cores = cores.map { $0 * count }
    } else {
      machine.devices = count
    }
    machine.memory = memory.map { $0 * Double(count) }
    machine.bandwidth = bandwidth.map { $0 * Double(count) }
    machine.float32 = float32.map { $0 * Double(count) }
    machine.float16 = float16.map { $0 * Double(count) }
    machine.int8 = int8.map { $0 * Double(count) }
    machine.thermalDesign = thermalDesign.map { $0 * Double(count) }
    machine.idle = idle.map { $0 * Double(count) }
    return machine
  }

  /// One machine of this one's devices and others'.
  package func with(_ others: [MachineDescription]) throws(MachineDescriptionError) -> MachineDescription {
    guard !others.isEmpty else { return self }
    for machine in [self] + others where machine.computes != .gpu { throw .notBeside(machine: machine.name) }
    var machine = self
    machine.beside = others
    return machine
  }

  private static func trimmed(_ text: Substring) -> String {
    var text = text
    while text.first?.isWhitespace == true { text = text.dropFirst() }
    while text.last?.isWhitespace == true { text = text.dropLast() }
    return String(text)
  }

  private mutating func set(_ key: String, _ value: String) throws(MachineDescriptionError) {
    switch key {
    case "kind":
      guard let kind = Computes(rawValue: value) else { throw .unknownKind(value) }
      computes = kind
    case "name": name = value
    case "vendor": vendor = value
    case "memory-type": memoryTechnology = value
    case "cores": cores = try Self.count(key, value)
    case "devices": devices = try Self.count(key, value)
    case "sockets": sockets = try Self.count(key, value)
    case "host-cores": hostCores = try Self.count(key, value)
    case "pcie":
      guard let link = ExpressLink(value) else { throw .notALink(key: key, value: value) }
      hostLink = link.bandwidth
    default: try setQuantity(key, value)
    }
  }

  private mutating func setQuantity(_ key: String, _ value: String) throws(MachineDescriptionError) {
    do {
      switch key {
      case "memory": memory = try Self.positive(key, value, QuantityParser.bytes)
      case "bandwidth": bandwidth = try Self.positive(key, value, QuantityParser.bandwidth)
      case "fp32": float32 = try Self.positive(key, value, QuantityParser.operationRate)
      case "fp16": float16 = try Self.positive(key, value, QuantityParser.operationRate)
      case "int8": int8 = try Self.positive(key, value, QuantityParser.operationRate)
      case "tdp": thermalDesign = try Self.positive(key, value, QuantityParser.power)
      case "idle": idle = try QuantityParser.power(value)
      case "peer-link": peerLink = try Self.positive(key, value, QuantityParser.bandwidth)
      case "host-memory": hostMemory = try Self.positive(key, value, QuantityParser.bytes)
      case "host-bandwidth": hostBandwidth = try Self.positive(key, value, QuantityParser.bandwidth)
      default: throw MachineDescriptionError.unknownKey(key)
      }
    } catch let error as QuantityParseError {
      throw .badValue(key: key, value: value, error)
    } catch let error as MachineDescriptionError {
      throw error
    } catch {
      throw .unknownKey(key)
    }
  }

  /// A figure of zero would become a speed of zero or an endless time.
  private static func positive<Value: Quantity>(
    _ key: String, _ value: String, _ parse: (String) throws(QuantityParseError) -> Value
  ) throws -> Value {
    let amount = try parse(value)
    guard amount.magnitude > 0 else { throw MachineDescriptionError.zero(key: key, value: value) }
    return amount
  }

  private static func count(_ key: String, _ value: String) throws(MachineDescriptionError) -> Int {
    guard let count = Int(value), count > 0, count <= 65_536 else { throw .notACount(key: key, value: value) }
    return count
  }
}
