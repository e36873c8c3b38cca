// SPDX-License-Identifier: Apache-2.0
internal import Compression
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

  /// The model that a variant starts from: the model itself, or its student under its name.
  ///
  /// - Throws: `CompressionError.notApplicable` for a student that is no smaller.
  func description(
    of reference: ModelReference, for variant: CompressionVariant?
  ) throws -> LanguageModelDescription {
    let teacher = try description(of: reference)
    guard let name = variant?.student else { return teacher }
    return try description(of: ModelReference(name)).student(named: name, of: teacher)
  }

  /// The opened files of a model that is a path.
  package func file(of reference: ModelReference) throws -> ModelFile {
    guard case .path(let path) = reference else { throw PlanningError.noSuchPath("\(reference)") }
    guard FileManager.default.fileExists(atPath: path) else { throw PlanningError.noSuchPath(path) }
    return try ModelFile.open(path)
  }

  /// The same with adapters beside its matrices.
  package func file(of reference: ModelReference, adapters: [AdapterReference]) throws -> ModelFile {
    try file(of: reference).adapted(by: adapters.map { (try AdapterFile.open($0.path), Float($0.scale)) })
  }
}

/// An adapter's file or folder, and what its sum is multiplied with.
package struct AdapterReference: Sendable, Equatable {
  package var path: String
  package var scale: Double

  package init(path: String, scale: Double = 1) {
    self.path = path
    self.scale = scale
  }

  /// Reads `PATH` or `PATH=SCALE`.
  package init(parsing text: String) {
    if let sign = text.lastIndex(of: "="), let scale = Double(text[text.index(after: sign)...]), scale.isFinite {
      self.init(path: String(text[..<sign]), scale: scale)
    } else {
      self.init(path: text)
    }
  }
}

extension LanguageModelDescription {
  /// The model as another one's student.
  ///
  /// - Throws: `CompressionError.notApplicable` for one that is no smaller.
  func student(named name: String, of teacher: LanguageModelDescription) throws(CompressionError)
    -> LanguageModelDescription
  {
    guard parametersTotal < teacher.parametersTotal else {
      throw .notApplicable(
        step: "student:\(name)", model: teacher.name, reason: "the student has no fewer weights than its teacher")
    }
    var student = self
    student.name = teacher.name
    student.teacher = teacher.name
    return student
  }
}
