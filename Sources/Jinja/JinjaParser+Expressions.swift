// SPDX-License-Identifier: Apache-2.0

// From the loosest binding to the tightest: choice, or, and, not, comparison, sums, concatenation, products, sign,
// power, then filters and tests behind a value.
extension JinjaParser {
  /// An expression, or several with commas between them: a list.
  mutating func tuple() throws(JinjaError) -> JinjaExpression {
    let first = try expression()
    guard next == .symbol(",") else { return first }
    var parts = [first]
    while take(.symbol(",")), next != .endStatement { parts.append(try expression()) }
    return .list(parts)
  }

  mutating func expression(withChoice: Bool = true) throws(JinjaError) -> JinjaExpression {
    try enter()
    defer { leave() }
    var value = try or()
    var levels = 0
    defer { leave(levels) }
    while withChoice, take(.name("if")) {
      try enter()
      levels += 1
      let condition = try or()
      let otherwise: JinjaExpression? = take(.name("else")) ? try expression() : nil
      value = .choice(condition, ifTrue: value, ifFalse: otherwise)
    }
    return value
  }

  private mutating func or() throws(JinjaError) -> JinjaExpression {
    try chain(["or"]) { (parser) throws(JinjaError) in try parser.and() }
  }

  private mutating func and() throws(JinjaError) -> JinjaExpression {
    try chain(["and"]) { (parser) throws(JinjaError) in try parser.not() }
  }

  private mutating func sum() throws(JinjaError) -> JinjaExpression {
    try chain(["+", "-"]) { (parser) throws(JinjaError) in try parser.concatenation() }
  }

  private mutating func concatenation() throws(JinjaError) -> JinjaExpression {
    try chain(["~"]) { (parser) throws(JinjaError) in try parser.product() }
  }

  private mutating func product() throws(JinjaError) -> JinjaExpression {
    try chain(["*", "/", "//", "%"]) { (parser) throws(JinjaError) in try parser.signed() }
  }

  /// Operands with left-associative operators between them. Each makes the tree a level deeper.
  private mutating func chain(
    _ operators: Set<String>, _ operand: (inout JinjaParser) throws(JinjaError) -> JinjaExpression
  ) throws(JinjaError) -> JinjaExpression {
    var left = try operand(&self)
    var levels = 0
    defer { leave(levels) }
    while let found = operatorWord, operators.contains(found) {
      let line = line
      advance()
      try enter()
      levels += 1
      left = .binary(found, left, try operand(&self), line: line)
    }
    return left
  }

  private var operatorWord: String? {
    switch next {
    case .symbol(let text), .name(let text): text
    default: nil
    }
  }

  private mutating func not() throws(JinjaError) -> JinjaExpression {
    guard take(.name("not")) else { return try comparison() }
    try enter()
    defer { leave() }
    return .not(try not())
  }

  /// `a < b <= c` means `a < b and b <= c`.
  private mutating func comparison() throws(JinjaError) -> JinjaExpression {
    var left = try sum()
    var result: JinjaExpression?
    var levels = 0
    defer { leave(levels) }
    while let found = takeComparison() {
      let line = line
      try enter()
      levels += 1
      let right = try sum()
      var pair = JinjaExpression.binary(found.name, left, right, line: line)
      if found.isNegated { pair = .not(pair) }
      result = result.map { .binary("and", $0, pair, line: line) } ?? pair
      left = right
    }
    return result ?? left
  }

  private mutating func takeComparison() -> (name: String, isNegated: Bool)? {
    guard let word = operatorWord else { return nil }
    if ["==", "!=", "<", ">", "<=", ">=", "in"].contains(word) {
      advance()
      return (word, false)
    }
    guard word == "not", tokens[min(position + 1, tokens.count - 1)].kind == .name("in") else { return nil }
    position += 2
    return ("in", true)
  }

  private mutating func signed() throws(JinjaError) -> JinjaExpression {
    let line = line
    try enter()
    defer { leave() }
    if take(.symbol("-")) { return .negative(try signed(), line: line) }
    if take(.symbol("+")) { return try signed() }
    return try power()
  }

  private mutating func power() throws(JinjaError) -> JinjaExpression {
    let base = try decorated()
    let line = line
    return take(.symbol("**")) ? .binary("**", base, try signed(), line: line) : base
  }

  /// A value with what stands behind it: members, items, calls, filters and tests.
  private mutating func decorated() throws(JinjaError) -> JinjaExpression {
    var value = try primary()
    var levels = 0
    defer { leave(levels) }
    while let longer = try decorated(value) {
      value = longer
      try enter()
      levels += 1
    }
    return value
  }

  private mutating func decorated(_ value: JinjaExpression) throws(JinjaError) -> JinjaExpression? {
    let line = line
    if take(.symbol(".")) {
      if case .integer(let index) = next {
        advance()
        return .item(value, .literal(.integer(index)), line: line)
      }
      return .attribute(value, try name(), line: line)
    }
    if take(.symbol("[")) { return try subscripted(value, line) }
    if take(.symbol("(")) { return .call(value, try arguments(), line: line) }
    if take(.symbol("|")) {
      let name = try self.name()
      return .filter(value, name, take(.symbol("(")) ? try arguments() : JinjaArguments(), line: line)
    }
    guard take(.name("is")) else { return nil }
    let isNegated = take(.name("not"))
    let test = JinjaExpression.test(value, try name(), try testArguments(), line: line)
    return isNegated ? .not(test) : test
  }

  /// A test's argument may stand without parentheses: `x is divisibleby 3`.
  private mutating func testArguments() throws(JinjaError) -> JinjaArguments {
    if take(.symbol("(")) { return try arguments() }
    switch next {
    case .string, .integer, .number, .symbol("["), .symbol("{"): return JinjaArguments(positional: [try primary()])
    case .name(let word) where !["and", "or", "not", "if", "else", "is", "in"].contains(word):
      return JinjaArguments(positional: [try primary()])
    default: return JinjaArguments()
    }
  }

  private mutating func subscripted(_ value: JinjaExpression, _ line: Int) throws(JinjaError) -> JinjaExpression {
    var parts: [JinjaExpression?] = [nil]
    while !take(.symbol("]")) {
      if take(.symbol(":")) { parts.append(nil) } else { parts[parts.count - 1] = try expression() }
      guard parts.count <= 3 else { throw unexpected("']'") }
    }
    guard parts.count == 1 else {
      return .slice(value, start: parts[0], end: parts[1], step: parts.count > 2 ? parts[2] : nil, line: line)
    }
    guard let index = parts[0] else { throw unexpected("an index") }
    return .item(value, index, line: line)
  }

  /// Arguments up to and with the closing parenthesis.
  mutating func arguments() throws(JinjaError) -> JinjaArguments {
    var arguments = JinjaArguments()
    while !take(.symbol(")")) {
      if !arguments.positional.isEmpty || !arguments.named.isEmpty {
        try expect(.symbol(","), "','")
        if take(.symbol(")")) { break }
      }
      if case .name(let name) = next, tokens[min(position + 1, tokens.count - 1)].kind == .symbol("=") {
        position += 2
        arguments.named.append((name, try expression()))
      } else {
        arguments.positional.append(try expression())
      }
    }
    return arguments
  }

  private mutating func primary() throws(JinjaError) -> JinjaExpression {
    let line = line
    let (kind, place) = (next, position)
    advance()
    switch kind {
    case .string(var text):
      while case .string(let more) = next {
        text += more
        advance()
      }
      return .literal(.string(text))
    case .integer(let value): return .literal(.integer(value))
    case .number(let value): return .literal(.number(value))
    case .name("true"), .name("True"): return .literal(.bool(true))
    case .name("false"), .name("False"): return .literal(.bool(false))
    case .name("none"), .name("None"): return .literal(.none)
    case .name(let name): return .name(name, line: line)
    case .symbol("("): return try parenthesized()
    case .symbol("["): return .list(try list(until: "]"))
    case .symbol("{"): return try object()
    default:
      position = place
      throw unexpected("an expression")
    }
  }

  private mutating func parenthesized() throws(JinjaError) -> JinjaExpression {
    if take(.symbol(")")) { return .list([]) }
    let first = try expression()
    if take(.symbol(")")) { return first }
    try expect(.symbol(","), "')'")
    return .list([first] + (try list(until: ")")))
  }

  private mutating func list(until end: String) throws(JinjaError) -> [JinjaExpression] {
    var parts: [JinjaExpression] = []
    while !take(.symbol(end)) {
      parts.append(try expression())
      guard !take(.symbol(end)) else { break }
      try expect(.symbol(","), "',' or '\(end)'")
    }
    return parts
  }

  private mutating func object() throws(JinjaError) -> JinjaExpression {
    var members: [(key: JinjaExpression, value: JinjaExpression)] = []
    while !take(.symbol("}")) {
      let key = try expression()
      try expect(.symbol(":"), "':'")
      members.append((key, try expression()))
      guard !take(.symbol("}")) else { break }
      try expect(.symbol(","), "',' or '}'")
    }
    return .object(members)
  }
}
