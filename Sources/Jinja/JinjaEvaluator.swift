// SPDX-License-Identifier: Apache-2.0

/// Runs a template's statements.
final class JinjaEvaluator {
  /// Published templates need a few thousand steps for a long conversation.
  static let stepLimit = 1_000_000
  static let byteLimit = 16 << 20
  static let callLimit = 40
  static let depthLimit = 64

  /// How a list of statements ended.
  enum Flow {
    case normal, breakLoop, continueLoop
  }

  private(set) var text = ""
  let surroundings: JinjaTemplate.Surroundings
  /// Names by their values, the innermost loop's or macro's last.
  private var scopes: [[String: JinjaValue]]
  private var steps = 0
  private var calls = 0

  init(_ scope: [String: JinjaValue], _ surroundings: JinjaTemplate.Surroundings) {
    scopes = [scope]
    self.surroundings = surroundings
  }

  /// Counts a step, and what it costs beyond one.
  func step(_ line: Int, cost: Int = 1) throws(JinjaError) {
    steps += min(cost, Self.stepLimit)
    guard steps <= Self.stepLimit else { throw .limit(line: line, what: "steps", limit: Self.stepLimit) }
  }

  /// Lets no string grow beyond all memory.
  func checked(_ text: String, _ line: Int) throws(JinjaError) -> String {
    guard text.utf8.count <= Self.byteLimit else {
      throw .limit(line: line, what: "bytes of text", limit: Self.byteLimit)
    }
    // Copying is what a long text costs.
    try step(line, cost: text.utf8.count / 256)
    return text
  }

  /// A value that may be put into another: lists in lists without end would exhaust the stack, and so would
  /// namespaces that hold each other.
  func stored(_ value: JinjaValue, _ line: Int, depth: Int = 0) throws(JinjaError) -> JinjaValue {
    guard depth < Self.depthLimit else { throw .limit(line: line, what: "levels of nesting", limit: Self.depthLimit) }
    try step(line)
    switch value {
    case .list(let values): for inner in values { _ = try stored(inner, line, depth: depth + 1) }
    case .object(let members): for member in members { _ = try stored(member.value, line, depth: depth + 1) }
    case .namespace: throw .type(line: line, reason: "a namespace cannot be put into something else")
    default: break
    }
    return value
  }

  /// Runs something that may call itself.
  func nested<Result>(_ line: Int, _ body: () throws(JinjaError) -> Result) throws(JinjaError) -> Result {
    calls += 1
    defer { calls -= 1 }
    guard calls <= Self.callLimit else { throw .limit(line: line, what: "calls in each other", limit: Self.callLimit) }
    return try body()
  }

  func value(of name: String) -> JinjaValue? {
    for scope in scopes.reversed() { if let value = scope[name] { return value } }
    return nil
  }

  private func set(_ name: String, _ value: JinjaValue) { scopes[scopes.count - 1][name] = value }

  @discardableResult
  func run(_ nodes: [JinjaNode]) throws(JinjaError) -> Flow {
    for node in nodes {
      let flow = try run(node)
      guard flow == .normal else { return flow }
    }
    return .normal
  }

  private func run(_ node: JinjaNode) throws(JinjaError) -> Flow {
    switch node {
    case .text(let piece): try write(piece, line: 0)
    case .output(let expression, let line): try write(try evaluate(expression).text, line: line)
    case .conditional(let branches, let otherwise):
      for branch in branches where try evaluate(branch.condition).isTrue { return try run(branch.body) }
      return try run(otherwise)
    case .loop(let loop): try run(loop)
    case .set(let target, let expression, let line): try assign(target, try evaluate(expression), line)
    case .capture(let target, let body, let line): try assign(target, .string(try captured(body)), line)
    case .macro(let macro): set(macro.name, .macro(macro))
    case .filtered(let name, let arguments, let body, let line):
      try write(try filter(.string(try captured(body)), name, arguments, line).text, line: line)
    case .body(let body): return try run(body)
    case .breakLoop: return .breakLoop
    case .continueLoop: return .continueLoop
    }
    return .normal
  }

  private func write(_ piece: String, line: Int) throws(JinjaError) {
    try step(line)
    guard text.utf8.count + piece.utf8.count <= Self.byteLimit else {
      throw .limit(line: line, what: "bytes of text", limit: Self.byteLimit)
    }
    text += piece
  }

  /// What statements write, instead of writing it.
  private func captured(_ body: [JinjaNode]) throws(JinjaError) -> String {
    let before = text
    text = ""
    defer { text = before }
    try run(body)
    return text
  }

  private func assign(_ target: JinjaTarget, _ value: JinjaValue, _ line: Int) throws(JinjaError) {
    switch target {
    case .names(let names) where names.count == 1: set(names[0], value)
    case .names(let names): try unpack(value, into: names, line)
    case .member(let name, let member):
      guard case .namespace(let namespace)? = self.value(of: name) else {
        throw .type(line: line, reason: "'\(name)' is no namespace whose members could be set")
      }
      namespace.members[member] = try stored(value, line)
    }
  }

  private func unpack(_ value: JinjaValue, into names: [String], _ line: Int) throws(JinjaError) {
    guard names.count > 1 else { return set(names[0], value) }
    guard case .list(let values) = value, values.count == names.count else {
      throw .type(line: line, reason: "\(names.count) names cannot take \(value.typeName)")
    }
    for (name, value) in zip(names, values) { set(name, value) }
  }

  private func run(_ loop: JinjaLoop) throws(JinjaError) {
    var items = try elements(of: try evaluate(loop.sequence), loop.line)
    scopes.append([:])
    defer { scopes.removeLast() }
    if let condition = loop.condition {
      var kept: [JinjaValue] = []
      for item in items {
        try unpack(item, into: loop.names, loop.line)
        if try evaluate(condition).isTrue { kept.append(item) }
      }
      items = kept
    }
    guard !items.isEmpty else { return _ = try run(loop.otherwise) }
    for index in items.indices {
      try step(loop.line)
      scopes[scopes.count - 1] = ["loop": Self.state(items, index)]
      try unpack(items[index], into: loop.names, loop.line)
      if try run(loop.body) == .breakLoop { return }
    }
  }

  /// What `loop` says inside a loop.
  private static func state(_ items: [JinjaValue], _ index: Int) -> JinjaValue {
    var members: [String: JinjaValue] = [
      "index": .integer(index + 1), "index0": .integer(index), "first": .bool(index == 0),
      "last": .bool(index == items.count - 1), "length": .integer(items.count),
      "revindex": .integer(items.count - index), "revindex0": .integer(items.count - index - 1),
    ]
    if index > 0 { members["previtem"] = items[index - 1] }
    if index + 1 < items.count { members["nextitem"] = items[index + 1] }
    return .namespace(JinjaNamespace(members))
  }

  /// The elements that a loop visits: those of a list, the keys of a dictionary, the characters of a string.
  func elements(of value: JinjaValue, _ line: Int) throws(JinjaError) -> [JinjaValue] {
    switch value {
    case .list(let values): return values
    case .object(let members): return members.map { .string($0.key) }
    case .string(let text):
      try step(line, cost: text.utf8.count / 16)
      return text.unicodeScalars.map { .string(String($0)) }
    case .undefined: return []
    default: throw .type(line: line, reason: "\(value.typeName) has no elements")
    }
  }

  /// What a macro writes.
  func call(_ macro: JinjaMacro, _ arguments: JinjaArguments, _ line: Int) throws(JinjaError) -> JinjaValue {
    guard arguments.positional.count <= macro.parameters.count else {
      throw .type(line: line, reason: "'\(macro.name)' takes \(macro.parameters.count) arguments")
    }
    var inside: [String: JinjaValue] = [:]
    for (parameter, argument) in zip(macro.parameters, arguments.positional) {
      inside[parameter.name] = try evaluate(argument)
    }
    for argument in arguments.named { inside[argument.name] = try evaluate(argument.value) }
    let outside = scopes
    defer { scopes = outside }
    scopes = [outside[0], inside]
    for parameter in macro.parameters where inside[parameter.name] == nil {
      set(
        parameter.name,
        try parameter.preset.map { (preset) throws(JinjaError) in try evaluate(preset) }
          ?? .undefined(parameter.name))
    }
    return try nested(line) { () throws(JinjaError) in .string(try captured(macro.body)) }
  }
}
