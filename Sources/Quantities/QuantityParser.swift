// SPDX-License-Identifier: Apache-2.0

/// Why a typed quantity was refused.
package enum QuantityParseError: Error, Equatable, Sendable {
  case notANumber(String)
  case missingUnit(String, choices: [String])
  case ambiguousUnit(String, choices: [String])
  case unknownUnit(String, choices: [String])
}

/// Reads a number with its unit, such as `24GB`, `1008GB/s`, `165TFLOP/s`, `450W`.
///
/// `12G` is refused, since it could mean GB (10⁹) or GiB (2³⁰).
package enum QuantityParser {
  package static func bytes(_ text: String) throws(QuantityParseError) -> ByteCount {
    ByteCount(magnitude: try scaled(text, units: byteUnits, ambiguous: ["K", "M", "G", "T"], suffix: "B"))
  }

  package static func bandwidth(_ text: String) throws(QuantityParseError) -> Bandwidth {
    let units = byteUnits.map { ($0.0 + "/s", $0.1) }
    return Bandwidth(magnitude: try scaled(text, units: units, ambiguous: [], suffix: "B/s"))
  }

  package static func operationRate(_ text: String) throws(QuantityParseError) -> OperationRate {
    let prefixes = [("G", 1e9), ("T", 1e12), ("P", 1e15)]
    let units = prefixes.flatMap { prefix in
      ["FLOP/s", "FLOPS", "OP/s", "OPS"].map { (prefix.0 + $0, prefix.1) }
    }
    return OperationRate(magnitude: try scaled(text, units: units, ambiguous: [], suffix: "FLOP/s"))
  }

  package static func power(_ text: String) throws(QuantityParseError) -> Power {
    Power(magnitude: try scaled(text, units: [("W", 1), ("kW", 1000), ("mW", 0.001)], ambiguous: [], suffix: "W"))
  }

  private static let byteUnits: [(String, Double)] = [
    ("B", 1), ("kB", 1e3), ("KB", 1e3), ("MB", 1e6), ("GB", 1e9), ("TB", 1e12),
    ("KiB", 1024), ("MiB", 1_048_576), ("GiB", 1_073_741_824), ("TiB", 1_099_511_627_776),
  ]

  private static func scaled(
    _ text: String, units: [(String, Double)], ambiguous: [String], suffix: String
  ) throws(QuantityParseError) -> Double {
    let digits = text.prefix { $0.isNumber || $0 == "." || $0 == "_" }
    let unit = text.dropFirst(digits.count).drop { $0 == " " }
    guard let number = Double(digits.filter { $0 != "_" }), number.isFinite else { throw .notANumber(text) }
    if let match = units.first(where: { $0.0 == unit }) { return number * match.1 }
    let choices = units.map(\.0)
    if unit.isEmpty { throw .missingUnit(text, choices: choices) }
    let matching = choices.filter { $0.hasPrefix(unit) }
    if ambiguous.contains(String(unit)) { throw .ambiguousUnit(text, choices: matching) }
    throw .unknownUnit(text, choices: choices)
  }
}
