// SPDX-License-Identifier: Apache-2.0
package import JSONText

/// What is wrong with a JSON text inside a model file; the place is kept beside it.
package struct JSONFault: Equatable, Sendable {
  package var reason: String

  package init(_ error: JSONError) {
    reason =
      switch error {
      case .unexpectedEnd: "the JSON text ends too early"
      case .unexpectedByte(let byte, _, let expected): "expected \(expected), found the byte \(byte)"
      case .invalidNumber: "a number is not written as JSON writes numbers"
      case .invalidString: "a text is not closed or not valid"
      case .tooDeep(_, let limit): "the JSON text nests deeper than \(limit) levels"
      case .trailingBytes: "something follows the end of the JSON text"
      }
  }
}

extension JSON {
  /// The kind of a value, for sentences.
  var typeName: String {
    switch self {
    case .null: "null"
    case .bool: "a truth value"
    case .integer(let value): "the number \(value)"
    case .number(let value): "the number \(value)"
    case .string: "a text"
    case .array: "a list"
    case .object: "an object"
    }
  }
}
