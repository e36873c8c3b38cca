// SPDX-License-Identifier: Apache-2.0

extension JinjaEvaluator {
  func evaluate(_ expression: JinjaExpression) throws(JinjaError) -> JinjaValue {
    try step(0)
    switch expression {
    case .literal(let value): return value
    case .name(let name, _): return value(of: name) ?? .undefined(name)
    case .list(let parts): return try stored(.list(try evaluate(parts)), 0)
    case .object(let members): return try object(members)
    case .attribute(let target, let name, let line): return try attribute(try evaluate(target), name, line)
    case .item(let target, let index, let line): return try item(try evaluate(target), try evaluate(index), line)
    case .slice(let target, let start, let end, let stride, let line):
      return try slice(
        try evaluate(target), try bound(start, line), try bound(end, line), try bound(stride, line), line)
    case .call(let callee, let arguments, let line): return try call(callee, arguments, line)
    case .filter(let target, let name, let arguments, let line):
      return try filter(try evaluate(target), name, arguments, line)
    case .test(let target, let name, let arguments, let line):
      return .bool(try test(try evaluate(target), name, try evaluate(arguments.positional), line))
    case .not(let operand): return .bool(!(try evaluate(operand).isTrue))
    case .negative(let operand, let line): return try negative(try evaluate(operand), line)
    case .binary(let name, let left, let right, let line): return try binary(name, left, right, line)
    case .choice(let condition, let ifTrue, let ifFalse):
      if try evaluate(condition).isTrue { return try evaluate(ifTrue) }
      guard let ifFalse else { return .undefined("the other side of an 'if'") }
      return try evaluate(ifFalse)
    }
  }

  func evaluate(_ expressions: [JinjaExpression]) throws(JinjaError) -> [JinjaValue] {
    var values: [JinjaValue] = []
    for expression in expressions { values.append(try evaluate(expression)) }
    return values
  }

  private func object(_ members: [(key: JinjaExpression, value: JinjaExpression)]) throws(JinjaError) -> JinjaValue {
    var result: [JinjaValue.Member] = []
    for member in members {
      let key = try evaluate(member.key).text
      result.removeAll { $0.key.isSame(as: key) }
      result.append(.init(key: key, value: try evaluate(member.value)))
    }
    return try stored(.object(result), 0)
  }

  private func attribute(_ target: JinjaValue, _ name: String, _ line: Int) throws(JinjaError) -> JinjaValue {
    if case .undefined(let what) = target {
      throw .type(line: line, reason: "'\(what)' is undefined and has no '\(name)'")
    }
    return target.member(name) ?? .undefined(name)
  }

  private func item(_ target: JinjaValue, _ index: JinjaValue, _ line: Int) throws(JinjaError) -> JinjaValue {
    switch (target, index) {
    case (.list(let values), _) where index.asInteger != nil:
      guard let place = index.asInteger, let inside = Self.place(place, in: values.count) else {
        return .undefined("item")
      }
      return values[inside]
    case (.string(let text), _) where index.asInteger != nil:
      try step(line, cost: text.utf8.count / 16)
      let scalars = Array(text.unicodeScalars)
      guard let place = index.asInteger, let inside = Self.place(place, in: scalars.count) else {
        return .undefined("item")
      }
      return .string(String(scalars[inside]))
    case (.object, .string(let key)), (.namespace, .string(let key)): return target.member(key) ?? .undefined(key)
    case (.undefined(let what), _): throw .type(line: line, reason: "'\(what)' is undefined and has no items")
    default: return .undefined(index.text)
    }
  }

  /// A place counted from the end where it is negative; nil outside.
  private static func place(_ index: Int, in count: Int) -> Int? {
    let place = index < 0 ? index &+ count : index
    return (0..<count).contains(place) ? place : nil
  }

  private func bound(_ expression: JinjaExpression?, _ line: Int) throws(JinjaError) -> Int? {
    guard let expression else { return nil }
    let value = try evaluate(expression)
    if case .none = value { return nil }
    guard let number = value.asInteger else {
      throw .type(line: line, reason: "\(value.typeName) is no place in a list")
    }
    return number
  }

  private func slice(
    _ target: JinjaValue, _ start: Int?, _ end: Int?, _ stride: Int?, _ line: Int
  ) throws(JinjaError) -> JinjaValue {
    let values = try elements(of: target, line)
    let stride = stride ?? 1
    guard stride != 0 else { throw .type(line: line, reason: "a slice cannot go in steps of zero") }
    let count = values.count
    func clamped(_ index: Int, _ low: Int, _ high: Int) -> Int {
      min(max(index < 0 ? index &+ count : index, low), high)
    }
    var picked: [JinjaValue] = []
    if stride > 0 {
      let first = clamped(start ?? 0, 0, count)
      let limit = clamped(end ?? count, 0, count)
      for index in Swift.stride(from: first, to: limit, by: stride) { picked.append(values[index]) }
    } else {
      let first = clamped(start ?? count - 1, -1, count - 1)
      let limit = end.map { clamped($0, -1, count - 1) } ?? -1
      for index in Swift.stride(from: first, to: limit, by: stride) { picked.append(values[index]) }
    }
    try step(line, cost: picked.count / 16)
    guard case .string = target else { return .list(picked) }
    return .string(picked.map(\.text).joined())
  }

  private func negative(_ value: JinjaValue, _ line: Int) throws(JinjaError) -> JinjaValue {
    if let whole = value.asInteger { return .integer(0 &- whole) }
    if let number = value.asDouble { return .number(-number) }
    throw .type(line: line, reason: "\(value.typeName) has no sign")
  }

  private func binary(
    _ name: String, _ left: JinjaExpression, _ right: JinjaExpression, _ line: Int
  ) throws(JinjaError) -> JinjaValue {
    let one = try evaluate(left)
    if name == "and" { return one.isTrue ? try evaluate(right) : one }
    if name == "or" { return one.isTrue ? one : try evaluate(right) }
    let two = try evaluate(right)
    switch name {
    case "==": return .bool(one.equals(two))
    case "!=": return .bool(!one.equals(two))
    case "<": return .bool(try precedes(one, two, line))
    case ">": return .bool(try precedes(two, one, line))
    case "<=": return .bool(try !precedes(two, one, line))
    case ">=": return .bool(try !precedes(one, two, line))
    case "in": return .bool(try contains(two, one, line))
    case "~": return .string(try checked(one.text + two.text, line))
    default: return try arithmetic(name, one, two, line)
    }
  }

  private func precedes(_ one: JinjaValue, _ two: JinjaValue, _ line: Int) throws(JinjaError) -> Bool {
    guard let answer = one.precedes(two) else {
      throw .type(line: line, reason: "\(one.typeName) and \(two.typeName) have no order")
    }
    return answer
  }

  func contains(_ whole: JinjaValue, _ part: JinjaValue, _ line: Int) throws(JinjaError) -> Bool {
    switch (whole, part) {
    case (.string(let text), .string(let piece)):
      try step(line, cost: text.utf8.count / 16)
      return PythonText.find(piece, in: text) != nil
    case (.list(let values), _):
      try step(line, cost: values.count / 4)
      return values.contains { $0.equals(part) }
    case (.object, .string(let key)): return whole.member(key) != nil
    case (.object, _), (.undefined, _): return false
    default: throw .type(line: line, reason: "\(whole.typeName) cannot hold \(part.typeName)")
    }
  }

  private func arithmetic(
    _ name: String, _ one: JinjaValue, _ two: JinjaValue, _ line: Int
  ) throws(JinjaError) -> JinjaValue {
    switch (name, one, two) {
    case ("+", .string(let left), .string(let right)): return .string(try checked(left + right, line))
    case ("+", .list(let left), .list(let right)):
      try step(line, cost: left.count + right.count)
      return .list(left + right)
    case ("*", .string(let text), .integer(let count)):
      guard count <= 0 || text.utf8.count <= Self.byteLimit / count else {
        throw .limit(line: line, what: "bytes of text", limit: Self.byteLimit)
      }
      return .string(try checked(String(repeating: text, count: max(0, count)), line))
    default: break
    }
    if let left = one.asInteger, let right = two.asInteger, let result = try whole(name, left, right, line) {
      return result
    }
    guard let left = one.asDouble, let right = two.asDouble else {
      throw .type(line: line, reason: "'\(name)' does not take \(one.typeName) and \(two.typeName)")
    }
    if right == 0, ["/", "//", "%"].contains(name) { throw .type(line: line, reason: "it divides by zero") }
    switch name {
    case "+": return .number(left + right)
    case "-": return .number(left - right)
    case "*": return .number(left * right)
    case "/": return .number(left / right)
    case "//": return .number((left / right).rounded(.down))
    case "%": return .number(left - right * (left / right).rounded(.down))
    default: throw .type(line: line, reason: "'\(name)' takes whole numbers only")
    }
  }

  /// Whole-number arithmetic as Python does it; nil where its result is a fraction.
  private func whole(_ name: String, _ left: Int, _ right: Int, _ line: Int) throws(JinjaError) -> JinjaValue? {
    if right == 0, ["//", "%"].contains(name) { throw .type(line: line, reason: "it divides by zero") }
    let result: (partialValue: Int, overflow: Bool)
    switch name {
    case "+": result = left.addingReportingOverflow(right)
    case "-": result = left.subtractingReportingOverflow(right)
    case "*": result = left.multipliedReportingOverflow(by: right)
    case "//":
      let quotient = left.dividedReportingOverflow(by: right)
      let isLower = !quotient.overflow && quotient.partialValue &* right != left && (left < 0) != (right < 0)
      result = isLower ? (quotient.partialValue - 1, false) : quotient
    case "%":
      let rest = left.remainderReportingOverflow(dividingBy: right)
      result =
        rest.partialValue != 0 && (rest.partialValue < 0) != (right < 0) ? (rest.partialValue + right, false) : rest
    case "**": result = Self.power(left, right)
    default: return nil
    }
    guard !result.overflow else { throw .type(line: line, reason: "a number is too large") }
    return .integer(result.partialValue)
  }

  private static func power(_ base: Int, _ exponent: Int) -> (partialValue: Int, overflow: Bool) {
    var result = 1
    guard (0...64).contains(exponent) else { return (0, true) }
    for _ in 0..<exponent {
      let product = result.multipliedReportingOverflow(by: base)
      guard !product.overflow else { return product }
      result = product.partialValue
    }
    return (result, false)
  }
}
