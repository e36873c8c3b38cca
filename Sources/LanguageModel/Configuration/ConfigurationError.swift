// SPDX-License-Identifier: Apache-2.0
package import Quantities

/// Why a model's configuration cannot be described.
package enum ConfigurationError: ExplainedError, Equatable {
  /// The file holds JSON, but no object of keys.
  case notAnObject(file: String)
  case missingKey(file: String, key: String, alternatives: [String], modelType: String)
  case wrongType(file: String, key: String, expected: String, found: String)
  case outOfRange(file: String, key: String, value: Int, allowed: ClosedRange<Int>)
  /// A per-layer list that does not reach the last layer.
  case listTooShort(file: String, key: String, count: Int, needed: Int)
  /// A word in a pattern of layers that no rule knows.
  case unknownLayerKind(file: String, key: String, word: String)
  /// The numbers are each allowed, but their product is no model that any machine could hold.
  case tooLarge(file: String, what: String)

  package var kind: String {
    switch self {
    case .notAnObject: "configuration_not_an_object"
    case .missingKey: "configuration_key_missing"
    case .wrongType: "configuration_wrong_type"
    case .outOfRange: "configuration_out_of_range"
    case .listTooShort: "configuration_list_too_short"
    case .unknownLayerKind: "configuration_unknown_layer_kind"
    case .tooLarge: "configuration_too_large"
    }
  }

  package var message: String {
    switch self {
    case .notAnObject(let file):
      "'\(file)' holds no JSON object of keys, so it describes no model."
    case .missingKey(let file, let key, let alternatives, let modelType):
      "'\(file)' (model type '\(modelType)') has no key '\(key)'"
        + (alternatives.isEmpty ? "." : ", nor \(alternatives.map { "'\($0)'" }.joined(separator: ", ")).")
    case .wrongType(let file, let key, let expected, let found):
      "'\(file)' has \(found) under '\(key)' where \(expected) is expected."
    case .outOfRange(let file, let key, let value, let allowed):
      "'\(file)' has \(value) under '\(key)'; it must be between \(allowed.lowerBound) and \(allowed.upperBound)."
    case .listTooShort(let file, let key, let count, let needed):
      "'\(file)' lists \(count) layers under '\(key)', but the model has \(needed)."
    case .unknownLayerKind(let file, let key, let word):
      "'\(file)' names a kind of layer '\(word)' under '\(key)' that is not known."
    case .tooLarge(let file, let what):
      "'\(file)' describes \(what) beyond any real model."
    }
  }

  package var remedy: String {
    switch self {
    case .notAnObject: "Give the config.json of a Hugging Face model."
    case .missingKey(_, let key, _, _):
      "Add '\(key)' to the file, or use the config.json that its publisher ships; a GGUF file works too."
    case .wrongType(_, let key, let expected, _): "Write \(expected) under '\(key)'."
    case .outOfRange(_, let key, _, _): "Correct '\(key)', or fetch the file again: it may be damaged."
    case .listTooShort(_, let key, _, _): "Make '\(key)' as long as the number of layers."
    case .unknownLayerKind(_, let key, _): "Use a kind of layer that the model type defines under '\(key)'."
    case .tooLarge: "Check the sizes in the file against the publisher's; it may be damaged."
    }
  }

  package var exitCode: ExitReason { .badInput }
}
