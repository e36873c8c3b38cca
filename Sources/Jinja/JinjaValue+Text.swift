// SPDX-License-Identifier: Apache-2.0

extension JinjaValue {
  /// Python's `str`.
  var text: String {
    switch self {
    case .undefined: ""
    case .string(let value): value
    default: representation
    }
  }

  /// Python's `repr`.
  var representation: String {
    switch self {
    case .undefined: "Undefined"
    case .none: "None"
    case .bool(let value): value ? "True" : "False"
    case .integer(let value): String(value)
    case .number(let value): Self.text(of: value)
    case .string(let value): Self.quoted(value)
    case .list(let values): "[" + values.map(\.representation).joined(separator: ", ") + "]"
    case .object(let members):
      "{" + members.map { "\(Self.quoted($0.key)): \($0.value.representation)" }.joined(separator: ", ") + "}"
    case .namespace: "<Namespace>"
    case .macro(let macro): "<Macro '\(macro.name)'>"
    }
  }

  private static func text(of number: Double) -> String {
    guard number.isFinite else { return number.isNaN ? "nan" : number < 0 ? "-inf" : "inf" }
    return number.description
  }

  private static func quoted(_ text: String) -> String {
    let quote: Unicode.Scalar = text.unicodeScalars.contains("'") && !text.unicodeScalars.contains("\"") ? "\"" : "'"
    var result = String.UnicodeScalarView([quote])
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\n": result.append(contentsOf: "\\n".unicodeScalars)
      case "\r": result.append(contentsOf: "\\r".unicodeScalars)
      case "\t": result.append(contentsOf: "\\t".unicodeScalars)
      case "\\", quote: result.append(contentsOf: ["\\", scalar])
      default: result.append(scalar)
      }
    }
    result.append(quote)
    return String(result)
  }

  /// JSON as Python's `json.dumps` spaces it, letters outside ASCII as they are.
  ///
  /// - Parameter indent: columns per level; nil for one line.
  /// - Returns: nil when something in it is no JSON.
  func json(indent: Int?, depth: Int = 0) -> String? {
    switch self {
    case .none: return "null"
    case .bool(let value): return value ? "true" : "false"
    case .integer, .number: return representation
    case .string(let value): return Self.jsonString(value)
    case .list(let values):
      return Self.json(values.map { $0.json(indent: indent, depth: depth + 1) }, "[", "]", indent, depth)
    case .object(let members):
      let parts = members.map { member in
        member.value.json(indent: indent, depth: depth + 1).map { "\(Self.jsonString(member.key)): \($0)" }
      }
      return Self.json(parts, "{", "}", indent, depth)
    case .undefined, .namespace, .macro: return nil
    }
  }

  private static func json(
    _ parts: [String?], _ open: String, _ close: String, _ indent: Int?, _ depth: Int
  ) -> String? {
    let known = parts.compactMap { $0 }
    guard known.count == parts.count else { return nil }
    guard let indent, !known.isEmpty else { return open + known.joined(separator: ", ") + close }
    let inner = "\n" + String(repeating: " ", count: indent * (depth + 1))
    let outer = "\n" + String(repeating: " ", count: indent * depth)
    return open + inner + known.joined(separator: "," + inner) + outer + close
  }

  private static func jsonString(_ text: String) -> String {
    var result = String.UnicodeScalarView(["\""])
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"", "\\": result.append(contentsOf: ["\\", scalar])
      case "\n": result.append(contentsOf: "\\n".unicodeScalars)
      case "\r": result.append(contentsOf: "\\r".unicodeScalars)
      case "\t": result.append(contentsOf: "\\t".unicodeScalars)
      case "\u{08}": result.append(contentsOf: "\\b".unicodeScalars)
      case "\u{0C}": result.append(contentsOf: "\\f".unicodeScalars)
      case "\u{0}"..<" ":
        let digits = String(scalar.value, radix: 16)
        result.append(contentsOf: ("\\u00" + (digits.utf8.count < 2 ? "0" : "") + digits).unicodeScalars)
      default: result.append(scalar)
      }
    }
    result.append("\"")
    return String(result)
  }
}
