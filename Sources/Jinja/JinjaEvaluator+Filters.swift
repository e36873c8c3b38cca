// SPDX-License-Identifier: Apache-2.0

extension JinjaEvaluator {
  func filter(
    _ value: JinjaValue, _ name: String, _ arguments: JinjaArguments, _ line: Int
  ) throws(JinjaError) -> JinjaValue {
    try filter(value, try evaluated(name, arguments, line))
  }

  private func filter(_ value: JinjaValue, _ call: JinjaCall) throws(JinjaError) -> JinjaValue {
    if let text = try textFilter(value, call) { return text }
    if let list = try listFilter(value, call) { return list }
    switch call.name {
    case "default", "d":
      let fills = value.isUndefined || call.argument(1, "boolean")?.isTrue == true && !value.isTrue
      return fills ? call.argument(0, "default_value") ?? .string("") : value
    case "length", "count":
      if case .string(let text) = value { return .integer(text.unicodeScalars.count) }
      return .integer(try elements(of: value, call.line).count)
    case "int":
      let preset = try call.integer(0, "default") ?? 0
      if case .string(let text) = value { return .integer(Int(PythonText.stripped(text)) ?? preset) }
      return .integer(value.asDouble.flatMap { Int(exactly: $0.rounded(.towardZero)) } ?? preset)
    case "float":
      if case .string(let text) = value { return .number(Double(PythonText.stripped(text)) ?? 0) }
      return .number(value.asDouble ?? 0)
    case "abs":
      if let whole = value.asInteger { return .integer(whole < 0 ? 0 &- whole : whole) }
      return .number(abs(try number(value, call)))
    case "round": return .number(try rounded(try number(value, call), call))
    case "attr":
      let name = try call.requiredString(0)
      return value.member(name) ?? .undefined(name)
    default: throw .unknown(line: call.line, what: "filter", name: call.name)
    }
  }

  private func number(_ value: JinjaValue, _ call: JinjaCall) throws(JinjaError) -> Double {
    guard let number = value.asDouble else {
      throw .type(line: call.line, reason: "'\(call.name)' does not take \(value.typeName)")
    }
    return number
  }

  private func rounded(_ number: Double, _ call: JinjaCall) throws(JinjaError) -> Double {
    var scale = 1.0
    for _ in 0..<max(0, min(try call.integer(0, "precision") ?? 0, 15)) { scale *= 10 }
    switch try call.string(1, "method") ?? "common" {
    case "ceil": return (number * scale).rounded(.up) / scale
    case "floor": return (number * scale).rounded(.down) / scale
    default: return (number * scale).rounded(.toNearestOrEven) / scale
    }
  }

  private func textFilter(_ value: JinjaValue, _ call: JinjaCall) throws(JinjaError) -> JinjaValue? {
    switch call.name {
    case "trim": return .string(PythonText.stripped(value.text, of: try call.string(0, "chars")))
    case "upper": return .string(value.text.uppercased())
    case "lower": return .string(value.text.lowercased())
    case "title": return .string(PythonText.titled(value.text))
    case "capitalize": return .string(PythonText.capitalized(value.text))
    case "string", "safe": return .string(value.text)
    case "escape", "e": return .string(try escaped(value.text, call.line))
    case "replace":
      return .string(
        try replaced(
          value.text, try call.requiredString(0, "old"), try call.requiredString(1, "new"),
          try call.integer(2, "count"),
          call.line))
    case "indent":
      let text = PythonText.indented(
        value.text, by: try call.integer(0, "width") ?? 4, first: call.argument(1, "first")?.isTrue ?? false)
      return .string(try checked(text, call.line))
    case "tojson":
      let indent = call.argument(0, "indent")?.asInteger.map { max(0, min($0, 16)) }
      guard let text = value.json(indent: indent) else {
        throw .type(line: call.line, reason: "\(value.typeName) cannot be written as JSON")
      }
      return .string(try checked(text, call.line))
    default: return nil
    }
  }

  private func escaped(_ text: String, _ line: Int) throws(JinjaError) -> String {
    var result = text
    for (old, new) in [("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("'", "&#39;"), ("\"", "&#34;")] {
      result = try replaced(result, old, new, nil, line)
    }
    return result
  }

  private func listFilter(_ value: JinjaValue, _ call: JinjaCall) throws(JinjaError) -> JinjaValue? {
    switch call.name {
    case "join": return try joined(try mapped(value, call, at: 1), by: try call.string(0, "d") ?? "", call.line)
    case "first": return try elements(of: value, call.line).first ?? .undefined("first")
    case "last": return try elements(of: value, call.line).last ?? .undefined("last")
    case "list": return .list(try elements(of: value, call.line))
    case "reverse":
      let reversed = Array(try elements(of: value, call.line).reversed())
      if case .string = value { return .string(reversed.map(\.text).joined()) }
      return .list(reversed)
    case "unique":
      var kept: [JinjaValue] = []
      for item in try elements(of: value, call.line) {
        try step(call.line, cost: 1 + kept.count / 4)
        if !kept.contains(where: { $0.equals(item) }) { kept.append(item) }
      }
      return .list(kept)
    case "sort": return .list(try sorted(value, call))
    case "items", "dictsort": return try pairs(value, call)
    case "map": return try map(value, call)
    case "select", "reject", "selectattr", "rejectattr": return .list(try selected(value, call))
    case "sum":
      var total = call.argument(1, "start") ?? .integer(0)
      for item in try elements(of: try mapped(value, call, at: 0), call.line) {
        total = try sum(total, item, call.line)
      }
      return total
    case "min", "max":
      let items = try sorted(value, JinjaCall(name: call.name, positional: [], named: call.named, line: call.line))
      return (call.name == "min" ? items.first : items.last) ?? .undefined(call.name)
    default: return nil
    }
  }

  private func sum(_ one: JinjaValue, _ two: JinjaValue, _ line: Int) throws(JinjaError) -> JinjaValue {
    try evaluate(.binary("+", .literal(one), .literal(two), line: line))
  }

  /// The members of that name where an attribute is asked for.
  private func mapped(_ value: JinjaValue, _ call: JinjaCall, at index: Int) throws(JinjaError) -> JinjaValue {
    guard let attribute = try call.string(index, "attribute") else { return value }
    return .list(try elements(of: value, call.line).map { Self.member(attribute, of: $0) })
  }

  /// A member by a path with points.
  private static func member(_ path: String, of value: JinjaValue) -> JinjaValue {
    PythonText.split(path, by: ".").reduce(value) { $0.member($1) ?? .undefined(path) }
  }

  private func sorted(_ value: JinjaValue, _ call: JinjaCall) throws(JinjaError) -> [JinjaValue] {
    let items = try elements(of: value, call.line)
    try step(call.line, cost: items.count)
    let attribute = try call.string(2, "attribute")
    let isSensitive = call.argument(1, "case_sensitive")?.isTrue ?? false
    func key(_ item: JinjaValue) -> JinjaValue {
      let key = attribute.map { Self.member($0, of: item) } ?? item
      if case .string(let text) = key, !isSensitive { return .string(text.lowercased()) }
      return key
    }
    let keyed = items.enumerated().map { (key: key($0.element), index: $0.offset, item: $0.element) }
    for pair in zip(keyed, keyed.dropFirst()) where pair.0.key.precedes(pair.1.key) == nil {
      throw .type(line: call.line, reason: "\(pair.0.key.typeName) and \(pair.1.key.typeName) have no order")
    }
    let isFalling = call.argument(0, "reverse")?.isTrue ?? false
    // Equal ones keep their places, as Python's sort leaves them.
    return keyed.sorted { one, two in
      if isFalling ? two.key.precedes(one.key) ?? false : one.key.precedes(two.key) ?? false { return true }
      if isFalling ? one.key.precedes(two.key) ?? false : two.key.precedes(one.key) ?? false { return false }
      return one.index < two.index
    }.map(\.item)
  }

  private func pairs(_ value: JinjaValue, _ call: JinjaCall) throws(JinjaError) -> JinjaValue {
    if value.isUndefined, call.name == "items" { return .list([]) }
    guard case .object(var members) = value else {
      throw .type(line: call.line, reason: "'\(call.name)' does not take \(value.typeName)")
    }
    if call.name == "dictsort" {
      members.sort { $0.key.lowercased().unicodeScalars.lexicographicallyPrecedes($1.key.lowercased().unicodeScalars) }
    }
    return .list(members.map { .list([.string($0.key), $0.value]) })
  }

  private func map(_ value: JinjaValue, _ call: JinjaCall) throws(JinjaError) -> JinjaValue {
    if let attribute = call.named["attribute"] {
      let preset = call.named["default"]
      return .list(
        try elements(of: value, call.line).map { item in
          let member = Self.member(attribute.text, of: item)
          return member.isUndefined ? preset ?? member : member
        })
    }
    let inner = JinjaCall(
      name: try call.requiredString(0), positional: Array(call.positional.dropFirst()), named: call.named,
      line: call.line)
    var results: [JinjaValue] = []
    for item in try elements(of: value, call.line) {
      try step(call.line)
      results.append(try nested(call.line) { () throws(JinjaError) in try filter(item, inner) })
    }
    return .list(results)
  }

  private func selected(_ value: JinjaValue, _ call: JinjaCall) throws(JinjaError) -> [JinjaValue] {
    let wants = call.name.hasPrefix("select")
    let attribute = call.name.hasSuffix("attr") ? try call.requiredString(0) : nil
    let place = attribute == nil ? 0 : 1
    let name = try call.string(place)
    let rest = Array(call.positional.dropFirst(place + 1))
    var kept: [JinjaValue] = []
    for item in try elements(of: value, call.line) {
      try step(call.line)
      let subject = attribute.map { Self.member($0, of: item) } ?? item
      let answer =
        try name.map { (name) throws(JinjaError) in try test(subject, name, rest, call.line) } ?? subject.isTrue
      if answer == wants { kept.append(item) }
    }
    return kept
  }
}
