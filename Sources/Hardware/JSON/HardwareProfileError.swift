// SPDX-License-Identifier: Apache-2.0
package import Quantities

/// Why a JSON text is no hardware profile.
package enum HardwareProfileError: ExplainedError, Equatable {
  case missingKey(file: String, key: String)
  case wrongType(file: String, key: String, expected: String, found: String)
  case outOfRange(file: String, key: String, value: String, allowed: String)
  case newerSchema(file: String, version: Int)

  package var kind: String {
    switch self {
    case .missingKey: "profile_key_missing"
    case .wrongType: "profile_wrong_type"
    case .outOfRange: "profile_out_of_range"
    case .newerSchema: "profile_newer_schema"
    }
  }

  package var message: String {
    switch self {
    case .missingKey(let file, let key): "The hardware profile '\(file)' has no key '\(key)'."
    case .wrongType(let file, let key, let expected, let found):
      "The hardware profile '\(file)' has \(found) under '\(key)' where \(expected) is expected."
    case .outOfRange(let file, let key, let value, let allowed):
      "The hardware profile '\(file)' has \(value) under '\(key)'; it must be \(allowed)."
    case .newerSchema(let file, let version):
      "The hardware profile '\(file)' has schema version \(version); "
        + "this program reads versions 1 to \(HardwareProfile.schemaVersion)."
    }
  }

  package var remedy: String {
    switch self {
    case .missingKey(_, let key): "Add '\(key)' as docs/profile-schema.md describes it, or probe the machine again."
    case .wrongType(_, let key, let expected, _): "Write \(expected) under '\(key)'."
    case .outOfRange(_, let key, _, _): "Correct '\(key)', or probe the machine again."
    case .newerSchema: "Use a newer version of anprobe, or probe the machine again with this one."
    }
  }

  package var exitCode: ExitReason { .badInput }
}
