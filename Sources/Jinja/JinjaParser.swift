// SPDX-License-Identifier: Apache-2.0

/// Builds the tree of a template's statements.
struct JinjaParser {
  private static let depthLimit = 200

  let tokens: [JinjaToken]
  var position = 0
  private var depth = 0

  init(_ tokens: [JinjaToken]) { self.tokens = tokens }

  var line: Int { tokens[position].line }
  var next: JinjaToken.Kind { tokens[position].kind }

  /// Counts levels of nesting, so that no template can exhaust the stack.
  mutating func enter() throws(JinjaError) {
    depth += 1
    guard depth <= Self.depthLimit else {
      throw .limit(line: line, what: "levels of nesting", limit: Self.depthLimit)
    }
  }

  mutating func leave(_ levels: Int = 1) { depth -= levels }

  mutating func advance() { if position < tokens.count - 1 { position += 1 } }

  mutating func take(_ kind: JinjaToken.Kind) -> Bool {
    guard next == kind else { return false }
    advance()
    return true
  }

  mutating func expect(_ kind: JinjaToken.Kind, _ expected: String) throws(JinjaError) {
    guard take(kind) else { throw unexpected(expected) }
  }

  mutating func name() throws(JinjaError) -> String {
    guard case .name(let name) = next else { throw unexpected("a name") }
    advance()
    return name
  }

  func unexpected(_ expected: String) -> JinjaError {
    let found =
      switch next {
      case .text: "text"
      case .beginStatement, .beginOutput: "the beginning of a tag"
      case .endStatement, .endOutput: "the end of a tag"
      case .name(let name): "'\(name)'"
      case .string: "a string"
      case .integer, .number: "a number"
      case .symbol(let symbol): "'\(symbol)'"
      case .end: "the end"
      }
    return .syntax(line: line, found: found, expected: expected)
  }

  mutating func parsed() throws(JinjaError) -> [JinjaNode] {
    let nodes = try body(until: [])
    guard next == .end else { throw unexpected("a statement") }
    return nodes
  }

  /// The word of the statement that begins here.
  private var statementWord: String? {
    guard next == .beginStatement, case .name(let word) = tokens[min(position + 1, tokens.count - 1)].kind else {
      return nil
    }
    return word
  }

  /// Everything up to one of the words, which is left standing.
  private mutating func body(until words: Set<String>) throws(JinjaError) -> [JinjaNode] {
    try enter()
    defer { leave() }
    var nodes: [JinjaNode] = []
    while next != .end {
      if let word = statementWord, words.contains(word) { return nodes }
      if let node = try node() { nodes.append(node) }
    }
    guard words.isEmpty else { throw unexpected(words.sorted().map { "'\($0)'" }.joined(separator: " or ")) }
    return nodes
  }

  private mutating func node() throws(JinjaError) -> JinjaNode? {
    let line = line
    switch next {
    case .text(let text):
      advance()
      return .text(text)
    case .beginOutput:
      advance()
      let expression = try self.expression()
      try expect(.endOutput, "'}}'")
      return .output(expression, line: line)
    default:
      try expect(.beginStatement, "a statement")
      return try statement(try name(), line: line)
    }
  }

  private mutating func statement(_ word: String, line: Int) throws(JinjaError) -> JinjaNode? {
    switch word {
    case "if": return try conditional()
    case "for": return try loop(line)
    case "set": return try assignment(line)
    case "macro": return try macro(line)
    case "filter": return try filtered(line)
    case "break", "continue":
      try endStatement()
      return word == "break" ? .breakLoop : .continueLoop
    case "generation":
      try endStatement()
      let nodes = try body(until: ["endgeneration"])
      try end("endgeneration")
      return .body(nodes)
    default: throw .unknown(line: line, what: "statement", name: word)
    }
  }

  private mutating func endStatement() throws(JinjaError) { try expect(.endStatement, "'%}'") }

  private mutating func end(_ word: String) throws(JinjaError) {
    try expect(.beginStatement, "a statement")
    try expect(.name(word), "'\(word)'")
    try endStatement()
  }

  private mutating func conditional() throws(JinjaError) -> JinjaNode {
    var branches: [(condition: JinjaExpression, body: [JinjaNode])] = []
    var otherwise: [JinjaNode] = []
    repeat {
      let condition = try expression()
      try endStatement()
      branches.append((condition, try body(until: ["elif", "else", "endif"])))
    } while takeStatement("elif")
    if takeStatement("else") {
      try endStatement()
      otherwise = try body(until: ["endif"])
    }
    try end("endif")
    return .conditional(branches, otherwise: otherwise)
  }

  /// Steps behind a statement's word if that is the word.
  private mutating func takeStatement(_ word: String) -> Bool {
    guard statementWord == word else { return false }
    position += 2
    return true
  }

  private mutating func names() throws(JinjaError) -> [String] {
    let isGroup = take(.symbol("("))
    var names = [try name()]
    while take(.symbol(",")) { names.append(try name()) }
    if isGroup { try expect(.symbol(")"), "')'") }
    return names
  }

  private mutating func loop(_ line: Int) throws(JinjaError) -> JinjaNode {
    let names = try names()
    try expect(.name("in"), "'in'")
    let sequence = try expression(withChoice: false)
    let condition: JinjaExpression? = take(.name("if")) ? try expression() : nil
    try endStatement()
    let inside = try body(until: ["else", "endfor"])
    var otherwise: [JinjaNode] = []
    if takeStatement("else") {
      try endStatement()
      otherwise = try body(until: ["endfor"])
    }
    try end("endfor")
    return .loop(
      JinjaLoop(
        names: names, sequence: sequence, condition: condition, body: inside, otherwise: otherwise, line: line))
  }

  private mutating func assignment(_ line: Int) throws(JinjaError) -> JinjaNode {
    var names = try names()
    var target = JinjaTarget.names(names)
    if names.count == 1, take(.symbol(".")) { target = .member(names.removeFirst(), try name()) }
    if take(.endStatement) {
      let nodes = try body(until: ["endset"])
      try end("endset")
      return .capture(target, nodes, line: line)
    }
    try expect(.symbol("="), "'='")
    let value = try tuple()
    try endStatement()
    return .set(target, value, line: line)
  }

  private mutating func macro(_ line: Int) throws(JinjaError) -> JinjaNode {
    let name = try name()
    try expect(.symbol("("), "'('")
    var parameters: [(name: String, preset: JinjaExpression?)] = []
    while !take(.symbol(")")) {
      if !parameters.isEmpty { try expect(.symbol(","), "','") }
      let parameter = try self.name()
      parameters.append((parameter, take(.symbol("=")) ? try expression() : nil))
    }
    try endStatement()
    let nodes = try body(until: ["endmacro"])
    try end("endmacro")
    return .macro(JinjaMacro(name: name, parameters: parameters, body: nodes, line: line))
  }

  private mutating func filtered(_ line: Int) throws(JinjaError) -> JinjaNode {
    let name = try name()
    let arguments = take(.symbol("(")) ? try self.arguments() : JinjaArguments()
    try endStatement()
    let nodes = try body(until: ["endfilter"])
    try end("endfilter")
    return .filtered(name, arguments, nodes, line: line)
  }
}
