// SPDX-License-Identifier: Apache-2.0

/// Arguments that were evaluated.
struct JinjaCall {
  var name: String
  var positional: [JinjaValue]
  var named: [String: JinjaValue]
  var line: Int

  /// By place or by name.
  func argument(_ index: Int, _ name: String = "") -> JinjaValue? {
    index < positional.count ? positional[index] : named[name]
  }

  func string(_ index: Int, _ name: String = "") throws(JinjaError) -> String? {
    switch argument(index, name) {
    case nil, JinjaValue.none?: return nil
    case .string(let text)?: return text
    case let other?: throw .type(line: line, reason: "'\(self.name)' does not take \(other.typeName)")
    }
  }

  func integer(_ index: Int, _ name: String = "") throws(JinjaError) -> Int? {
    guard let value = argument(index, name) else { return nil }
    guard let number = value.asInteger else {
      throw .type(line: line, reason: "'\(self.name)' does not take \(value.typeName)")
    }
    return number
  }

  func required(_ index: Int, _ name: String = "") throws(JinjaError) -> JinjaValue {
    guard let value = argument(index, name) else { throw .type(line: line, reason: "'\(self.name)' lacks an argument") }
    return value
  }

  func requiredString(_ index: Int, _ name: String = "") throws(JinjaError) -> String {
    _ = try required(index, name)
    return try string(index, name) ?? ""
  }
}

extension JinjaEvaluator {
  func call(_ callee: JinjaExpression, _ arguments: JinjaArguments, _ line: Int) throws(JinjaError) -> JinjaValue {
    switch callee {
    case .name(let name, _):
      if case .macro(let macro)? = value(of: name) { return try call(macro, arguments, line) }
      return try function(try evaluated(name, arguments, line))
    case .attribute(let target, let name, _):
      return try method(of: try evaluate(target), try evaluated(name, arguments, line))
    default: throw .type(line: line, reason: "what stands before the parentheses cannot be called")
    }
  }

  func evaluated(_ name: String, _ arguments: JinjaArguments, _ line: Int) throws(JinjaError) -> JinjaCall {
    var named: [String: JinjaValue] = [:]
    for argument in arguments.named { named[argument.name] = try evaluate(argument.value) }
    return JinjaCall(name: name, positional: try evaluate(arguments.positional), named: named, line: line)
  }

  private func function(_ call: JinjaCall) throws(JinjaError) -> JinjaValue {
    switch call.name {
    case "range": return try range(call)
    case "namespace":
      var members = call.named
      if case .object(let given)? = call.positional.first { for member in given { members[member.key] = member.value } }
      for member in members { _ = try stored(member.value, call.line) }
      return .namespace(JinjaNamespace(members))
    case "dict":
      let members = call.named.sorted { $0.key < $1.key }.map { JinjaValue.Member(key: $0.key, value: $0.value) }
      return try stored(.object(members), call.line)
    case "raise_exception": throw .refused(reason: try call.required(0, "message").text)
    case "strftime_now": return .string(surroundings.date(try call.requiredString(0, "format")))
    default: throw .unknown(line: call.line, what: "function", name: call.name)
    }
  }

  private func range(_ call: JinjaCall) throws(JinjaError) -> JinjaValue {
    let first = try call.integer(0) ?? 0
    let (start, end) = try call.integer(1).map { (first, $0) } ?? (0, first)
    let stride = try call.integer(2) ?? 1
    guard stride != 0, stride != .min else {
      throw .type(line: call.line, reason: "a range cannot go in steps of zero")
    }
    let span = stride > 0 ? end.subtractingReportingOverflow(start) : start.subtractingReportingOverflow(end)
    guard !span.overflow else { throw .type(line: call.line, reason: "a number is too large") }
    try step(call.line, cost: max(0, span.partialValue / abs(stride)))
    return .list(Swift.stride(from: start, to: end, by: stride).map { .integer($0) })
  }

  private func method(of target: JinjaValue, _ call: JinjaCall) throws(JinjaError) -> JinjaValue {
    switch target {
    case .string(let text):
      try step(call.line, cost: text.utf8.count / 64)
      return try method(of: text, call)
    case .object(let members): return try method(of: members, target, call)
    case .namespace(let namespace) where namespace.members["index0"] != nil && call.name == "cycle":
      guard let index = namespace.members["index0"]?.asInteger, !call.positional.isEmpty else { return .none }
      return call.positional[index % call.positional.count]
    case .namespace(let namespace):
      return try method(
        of: namespace.members.sorted { $0.key < $1.key }.map { .init(key: $0.key, value: $0.value) }, target, call)
    case .list(let values) where call.name == "index":
      let wanted = try call.required(0)
      guard let place = values.firstIndex(where: { $0.equals(wanted) }) else {
        throw .type(line: call.line, reason: "the list does not hold what 'index' looks for")
      }
      return .integer(place)
    case .list(let values) where call.name == "count":
      let wanted = try call.required(0)
      return .integer(values.count { $0.equals(wanted) })
    case .undefined(let name):
      throw .type(line: call.line, reason: "'\(name)' is undefined and has no '\(call.name)'")
    default: throw .type(line: call.line, reason: "\(target.typeName) has no method '\(call.name)'")
    }
  }

  private func method(
    of members: [JinjaValue.Member], _ target: JinjaValue, _ call: JinjaCall
  ) throws(JinjaError) -> JinjaValue {
    switch call.name {
    case "items": return .list(members.map { .list([.string($0.key), $0.value]) })
    case "keys": return .list(members.map { .string($0.key) })
    case "values": return .list(members.map(\.value))
    case "get": return target.member(try call.required(0).text) ?? call.argument(1, "default") ?? .none
    default: throw .type(line: call.line, reason: "\(target.typeName) has no method '\(call.name)'")
    }
  }

  private func method(of text: String, _ call: JinjaCall) throws(JinjaError) -> JinjaValue {
    switch call.name {
    case "strip", "lstrip", "rstrip":
      let set = try call.string(0)
      return .string(PythonText.stripped(text, of: set, start: call.name != "rstrip", end: call.name != "lstrip"))
    case "split": return try split(text, call)
    case "splitlines": return .list(PythonText.lines(text).map { .string($0) })
    case "startswith", "endswith":
      let compare = call.name == "startswith" ? PythonText.starts : PythonText.ends
      guard case .list(let options) = try call.required(0) else {
        return .bool(compare(text, try call.requiredString(0)))
      }
      return .bool(options.contains { compare(text, $0.text) })
    case "replace":
      return .string(
        try replaced(
          text, try call.requiredString(0), try call.requiredString(1), try call.integer(2, "count"), call.line))
    case "upper": return .string(text.uppercased())
    case "lower": return .string(text.lowercased())
    case "title": return .string(PythonText.titled(text))
    case "capitalize": return .string(PythonText.capitalized(text))
    case "join": return try joined(try call.required(0), by: text, call.line)
    case "find":
      let place = PythonText.find(try call.requiredString(0), in: text)
      return .integer(place.map { String(decoding: text.utf8.prefix($0), as: UTF8.self).unicodeScalars.count } ?? -1)
    case "count": return .integer(PythonText.split(text, by: try nonEmpty(call)).count - 1)
    case "isdigit":
      return .bool(!text.isEmpty && text.unicodeScalars.allSatisfy { $0.properties.numericType == .decimal })
    case "removeprefix", "removesuffix": return .string(try without(text, call))
    default: throw .unknown(line: call.line, what: "string method", name: call.name)
    }
  }

  private func nonEmpty(_ call: JinjaCall) throws(JinjaError) -> String {
    let text = try call.requiredString(0)
    guard !text.isEmpty else { throw .type(line: call.line, reason: "'\(call.name)' takes no empty string") }
    return text
  }

  private func without(_ text: String, _ call: JinjaCall) throws(JinjaError) -> String {
    let part = try call.requiredString(0)
    if call.name == "removeprefix" {
      return PythonText.starts(text, with: part)
        ? String(decoding: text.utf8.dropFirst(part.utf8.count), as: UTF8.self) : text
    }
    return PythonText.ends(text, with: part)
      ? String(decoding: text.utf8.dropLast(part.utf8.count), as: UTF8.self) : text
  }

  private func split(_ text: String, _ call: JinjaCall) throws(JinjaError) -> JinjaValue {
    let limit = try call.integer(1, "maxsplit") ?? -1
    guard try call.string(0, "sep") != nil else { return .list(PythonText.words(text).map { .string($0) }) }
    let pieces = PythonText.split(text, by: try nonEmpty(call), most: limit < 0 ? .max : limit)
    return .list(pieces.map { .string($0) })
  }

  func replaced(
    _ text: String, _ old: String, _ new: String, _ most: Int?, _ line: Int
  ) throws(JinjaError) -> String {
    let limit = most.map { $0 < 0 ? .max : $0 } ?? .max
    let pieces =
      old.isEmpty ? [""] + text.unicodeScalars.map { String($0) } + [""] : PythonText.split(text, by: old, most: limit)
    guard new.isEmpty || pieces.count <= Self.byteLimit / new.utf8.count else {
      throw .limit(line: line, what: "bytes of text", limit: Self.byteLimit)
    }
    return try checked(pieces.joined(separator: new), line)
  }

  func joined(_ value: JinjaValue, by separator: String, _ line: Int) throws(JinjaError) -> JinjaValue {
    let parts = try elements(of: value, line)
    var text = ""
    for (index, part) in parts.enumerated() {
      text += index > 0 ? separator + part.text : part.text
      try step(line)
      guard text.utf8.count <= Self.byteLimit else {
        throw .limit(line: line, what: "bytes of text", limit: Self.byteLimit)
      }
    }
    return .string(text)
  }
}
