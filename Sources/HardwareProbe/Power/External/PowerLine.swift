// SPDX-License-Identifier: Apache-2.0

/// One line of a meter: a number, with its unit or its name before or behind it.
enum PowerLine {
  private static let watts: [Substring: Double] = [
    "w": 1, "watt": 1, "watts": 1, "power": 1, "mw": 1e-3, "kw": 1e3,
  ]
  private static let joules: [Substring: Double] = [
    "j": 1, "joule": 1, "joules": 1, "energy": 1, "mj": 1e-3, "kj": 1e3, "wh": 3600, "kwh": 3.6e6,
  ]

  /// `42.5`, `42.5 W`, `power: 42.5 mW`, `1234 J`, `energy=0.5 kWh`; nil for anything else, or below zero.
  static func reading(_ line: some StringProtocol) -> EnergySource.Reading? {
    let text = line.lowercased()
    guard let start = text.firstIndex(where: { $0.isASCII && $0.isNumber }) else { return nil }
    let found = text[start...]
    let end = found.firstIndex { !($0.isASCII && $0.isNumber || $0 == ".") } ?? found.endIndex
    var number = found[..<end]
    var tail = found[end...]
    if let exponent = exponent(tail) {
      number = found[..<exponent.endIndex]
      tail = found[exponent.endIndex...]
    }
    guard let value = Double(number), value.isFinite, text[..<start].last != "-" else { return nil }
    let rest = "\(text[..<start]) \(tail)"
    return reading(value, rest.split { !$0.isLetter }, rest: rest)
  }

  /// A unit overrules a name: in `energy: 3 kWh` the name says no factor.
  private static func reading(_ value: Double, _ words: [Substring], rest: String) -> EnergySource.Reading? {
    guard words.allSatisfy({ watts[$0] != nil || joules[$0] != nil }), !rest.contains(where: \.isNumber) else {
      return nil
    }
    let factors = words.compactMap { joules[$0] }
    if !factors.isEmpty { return .joules(value * factors.reduce(1, *)) }
    return .watts(value * words.compactMap { watts[$0] }.reduce(1, *))
  }

  /// `e+02` behind a number.
  private static func exponent(_ tail: Substring) -> Substring? {
    guard tail.first == "e" else { return nil }
    let sign = tail.dropFirst().prefix { $0 == "+" || $0 == "-" }
    let digits = tail[sign.endIndex...].prefix { $0.isASCII && $0.isNumber }
    return sign.count <= 1 && !digits.isEmpty ? tail[..<digits.endIndex] : nil
  }
}
