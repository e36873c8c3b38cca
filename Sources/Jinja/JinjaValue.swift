// SPDX-License-Identifier: Apache-2.0
internal import JSONText

/// A value while a template runs.
enum JinjaValue {
  /// What a name that nobody set gives: nothing when printed, an error when used.
  case undefined(String)
  case none
  case bool(Bool)
  case integer(Int)
  case number(Double)
  case string(String)
  case list([JinjaValue])
  case object([Member])
  case namespace(JinjaNamespace)
  case macro(JinjaMacro)

  struct Member {
    var key: String
    var value: JinjaValue
  }

  init(_ json: JSON) {
    switch json {
    case .null: self = .none
    case .bool(let value): self = .bool(value)
    case .integer(let value): self = .integer(Int(value))
    case .number(let value): self = .number(value)
    case .string(let value): self = .string(value)
    case .array(let values): self = .list(values.map { JinjaValue($0) })
    case .object(let members): self = .object(members.map { Member(key: $0.key, value: JinjaValue($0.value)) })
    }
  }

  /// What conditions make of it, as Python does.
  var isTrue: Bool {
    switch self {
    case .undefined, .none: false
    case .bool(let value): value
    case .integer(let value): value != 0
    case .number(let value): value != 0
    case .string(let value): !value.isEmpty
    case .list(let values): !values.isEmpty
    case .object(let members): !members.isEmpty
    case .namespace, .macro: true
    }
  }

  var isUndefined: Bool { if case .undefined = self { true } else { false } }

  /// What it is, for sentences.
  var typeName: String {
    switch self {
    case .undefined(let name): "the undefined '\(name)'"
    case .none: "none"
    case .bool: "a truth value"
    case .integer: "a whole number"
    case .number: "a number"
    case .string: "a string"
    case .list: "a list"
    case .object: "a dictionary"
    case .namespace: "a namespace"
    case .macro: "a macro"
    }
  }

  var asDouble: Double? {
    switch self {
    case .bool(let value): value ? 1 : 0
    case .integer(let value): Double(value)
    case .number(let value): value
    default: nil
    }
  }

  var asInteger: Int? {
    switch self {
    case .bool(let value): value ? 1 : 0
    case .integer(let value): value
    default: nil
    }
  }

  func member(_ key: String) -> JinjaValue? {
    switch self {
    case .object(let members): members.first { $0.key.isSame(as: key) }?.value
    case .namespace(let namespace): namespace.members[key]
    default: nil
    }
  }

  /// Python's `==`.
  func equals(_ other: JinjaValue) -> Bool {
    switch (self, other) {
    case (.undefined, .undefined), (.none, .none): return true
    case (.string(let one), .string(let two)): return one.isSame(as: two)
    case (.list(let one), .list(let two)): return one.count == two.count && zip(one, two).allSatisfy { $0.equals($1) }
    case (.object(let one), .object(let two)):
      return one.count == two.count && one.allSatisfy { other.member($0.key)?.equals($0.value) ?? false }
    case (.namespace(let one), .namespace(let two)): return one === two
    default:
      guard let one = asDouble, let two = other.asDouble else { return false }
      return one == two
    }
  }

  /// Whether it comes before another in order; nil when they have none.
  func precedes(_ other: JinjaValue) -> Bool? {
    switch (self, other) {
    case (.string(let one), .string(let two)): return one.unicodeScalars.lexicographicallyPrecedes(two.unicodeScalars)
    case (.list(let one), .list(let two)):
      for (left, right) in zip(one, two) where !left.equals(right) { return left.precedes(right) }
      return one.count < two.count
    default:
      guard let one = asDouble, let two = other.asDouble else { return nil }
      return one < two
    }
  }
}

/// Values that a template may change: the only ones.
final class JinjaNamespace {
  var members: [String: JinjaValue]
  init(_ members: [String: JinjaValue]) { self.members = members }
}

extension String {
  /// Equal scalar by scalar, as Python compares; Swift's own `==` takes é and e with an accent for the same.
  func isSame(as other: String) -> Bool { utf8.elementsEqual(other.utf8) }
}
