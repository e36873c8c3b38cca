// SPDX-License-Identifier: Apache-2.0
package import JSONText
package import Quantities

/// Why a profile file cannot be used.
package enum ProfileError: ExplainedError, Equatable {
  case unreadable(path: String, reason: String)
  case invalidJSON(path: String, JSONError)
  /// A profile without something that every profile of its kind has, or with it in another form.
  case invalidProfile(path: String, item: String, problem: String)
  /// No catalogue entry has the name.
  case unknownModel(name: String, suggestions: [String])
  /// Several catalogue entries could be meant.
  case ambiguousModel(name: String, candidates: [String])
  case unknownMachine(name: String, suggestions: [String])
  case ambiguousMachine(name: String, candidates: [String])

  package var kind: String {
    switch self {
    case .unreadable: "profile_unreadable"
    case .invalidJSON: "profile_invalid_json"
    case .invalidProfile: "profile_invalid"
    case .unknownModel: "model_not_found"
    case .ambiguousModel: "model_ambiguous"
    case .unknownMachine: "machine_not_found"
    case .ambiguousMachine: "machine_ambiguous"
    }
  }

  package var message: String {
    switch self {
    case .unreadable(let path, let reason): "The profile '\(path)' cannot be read: \(reason)."
    case .invalidJSON(let path, let error): "The profile '\(path)' is no JSON from byte \(error.offset) on."
    case .invalidProfile(let path, let item, let problem): "The profile '\(path)' is not usable: '\(item)' \(problem)."
    case .unknownModel(let name, _): "The catalogue has no model '\(name)'."
    case .ambiguousModel(let name, _): "'\(name)' could be several models of the catalogue."
    case .unknownMachine(let name, _): "The catalogue has no machine '\(name)'."
    case .ambiguousMachine(let name, _): "'\(name)' could be several machines of the catalogue."
    }
  }

  package var remedy: String {
    switch self {
    case .unreadable: "Check that the file exists and may be read."
    case .invalidJSON: "Repair the file with a JSON editor, or remove it from the profile folder."
    case .invalidProfile: "Compare the file with those under 'profiles/', or remove it from the profile folder."
    case .unknownModel(_, let suggestions) where suggestions.isEmpty:
      "List the catalogue with 'anprobe models', or give a config.json, a GGUF file or hf:OWNER/NAME."
    case .unknownModel(_, let suggestions):
      "Did you mean \(Self.choice(suggestions))? 'anprobe models' lists all."
    case .unknownMachine(_, let suggestions) where suggestions.isEmpty:
      "List them with 'anprobe machines', give a profile file, or describe it: kind=gpu,memory=24GB,bandwidth=1008GB/s."
    case .unknownMachine(_, let suggestions):
      "Did you mean \(Self.choice(suggestions))? 'anprobe machines' lists all."
    case .ambiguousModel(_, let candidates), .ambiguousMachine(_, let candidates):
      "Say which one: \(Self.choice(candidates))."
    }
  }

  private static func choice(_ names: [String]) -> String {
    let quoted = names.prefix(6).map { "'\($0)'" }
    return quoted.joined(separator: ", ") + (names.count > 6 ? " or \(names.count - 6) more" : "")
  }

  package var exitCode: ExitReason { .badInput }
}
