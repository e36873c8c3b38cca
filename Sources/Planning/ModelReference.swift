// SPDX-License-Identifier: Apache-2.0
internal import Foundation
package import LanguageModel
package import ModelFiles
internal import Profiles

/// The model that a person means.
package enum ModelReference: Sendable, Equatable {
  case catalogue(String)
  /// A GGUF file, a folder, safetensors or a config.json.
  case path(String)
  /// `hf:OWNER/NAME`.
  case hub(String)

  /// Tells the three apart: `hf:` first, then what looks like a path or is one, then a name.
  package init(_ text: String) {
    let isPath =
      text.hasSuffix(".gguf") || text.hasSuffix(".json") || text.hasSuffix(".safetensors") || text.hasPrefix("/")
      || text.hasPrefix("./") || text.hasPrefix("../") || text.hasPrefix("~/")
    if text.hasPrefix("hf:") {
      self = .hub(String(text.dropFirst(3)))
    } else if isPath || FileManager.default.fileExists(atPath: text) {
      self = .path(text.hasPrefix("~/") ? NSHomeDirectory() + text.dropFirst(1) : text)
    } else {
      self = .catalogue(text)
    }
  }
}

extension PlanningSession {
  /// The shapes of a model; no weight is read.
  package func description(of reference: ModelReference) throws -> LanguageModelDescription {
    switch reference {
    case .catalogue(let name):
      let catalogue = try models()
      return try catalogue.describe(try catalogue.entry(named: name))
    case .path: return try file(of: reference).description
    case .hub(let repository): return try hubDescription(repository)
    }
  }

  /// The opened files of a model that is a path.
  package func file(of reference: ModelReference) throws -> ModelFile {
    guard case .path(let path) = reference else { throw PlanningError.noSuchPath("\(reference)") }
    guard FileManager.default.fileExists(atPath: path) else { throw PlanningError.noSuchPath(path) }
    return try ModelFile.open(path)
  }
}
