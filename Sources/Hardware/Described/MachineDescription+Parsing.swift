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
      + "kinds: gpu, integrated-gpu, cpu; further keys: name, vendor, cores, devices, fp32, idle, memory-type."
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
