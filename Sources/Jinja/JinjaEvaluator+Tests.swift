// SPDX-License-Identifier: Apache-2.0

extension JinjaEvaluator {
  /// What stands behind `is`.
  func test(_ value: JinjaValue, _ name: String, _ arguments: [JinjaValue], _ line: Int) throws(JinjaError) -> Bool {
    if let answer = Self.kindTest(value, name) { return answer }
    switch name {
    case "odd", "even", "divisibleby":
      guard let number = value.asInteger else {
        throw .type(line: line, reason: "\(value.typeName) is no whole number")
      }
      guard name == "divisibleby" else { return (number & 1 == 1) == (name == "odd") }
      guard let divisor = try argument(arguments, name, line).asInteger, divisor != 0 else {
        throw .type(line: line, reason: "'divisibleby' wants a whole number other than zero")
      }
      return divisor == -1 || number % divisor == 0
    case "lower":
      return value.text.isSame(as: value.text.lowercased()) && !value.text.isSame(as: value.text.uppercased())
    case "upper":
      return value.text.isSame(as: value.text.uppercased()) && !value.text.isSame(as: value.text.lowercased())
    case "in": return try contains(try argument(arguments, name, line), value, line)
    case "eq", "equalto", "==", "sameas": return value.equals(try argument(arguments, name, line))
    case "ne", "!=": return !value.equals(try argument(arguments, name, line))
    case "lt", "lessthan", "<": return value.precedes(try argument(arguments, name, line)) ?? false
    case "gt", "greaterthan", ">": return try argument(arguments, name, line).precedes(value) ?? false
    case "le", "<=": return !(try argument(arguments, name, line).precedes(value) ?? true)
    case "ge", ">=": return !(value.precedes(try argument(arguments, name, line)) ?? true)
    default: throw .unknown(line: line, what: "test", name: name)
    }
  }

  private func argument(_ arguments: [JinjaValue], _ name: String, _ line: Int) throws(JinjaError) -> JinjaValue {
    guard let first = arguments.first else { throw .type(line: line, reason: "'\(name)' lacks an argument") }
    return first
  }

  /// Tests that ask what a value is; nil for any other name.
  private static func kindTest(_ value: JinjaValue, _ name: String) -> Bool? {
    switch (name, value) {
    case ("defined", _): !value.isUndefined
    case ("undefined", _): value.isUndefined
    case ("none", .none), ("string", .string), ("boolean", .bool), ("integer", .integer), ("float", .number),
      ("number", .integer), ("number", .number), ("number", .bool), ("mapping", .object), ("callable", .macro):
      true
    case ("iterable", .list), ("iterable", .string), ("iterable", .object), ("iterable", .undefined): true
    case ("sequence", .list), ("sequence", .string), ("sequence", .object), ("sequence", .undefined): true
    case ("true", .bool(let flag)): flag
    case ("false", .bool(let flag)): !flag
    case ("none", _), ("string", _), ("boolean", _), ("integer", _), ("float", _), ("number", _), ("mapping", _),
      ("callable", _), ("iterable", _), ("sequence", _), ("true", _), ("false", _):
      false
    default: nil
    }
  }
}
