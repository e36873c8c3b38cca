// SPDX-License-Identifier: Apache-2.0
package import Quantities

/// What the planning path itself refuses; causes from below pass through unchanged.
package enum PlanningError: ExplainedError, Equatable {
  case noSuchPath(String)
  case cannotWrite(path: String, reason: String)
  case noModelsNamed(String)

  package var kind: String {
    switch self {
    case .noSuchPath: "path_not_found"
    case .cannotWrite: "cannot_write"
    case .noModelsNamed: "model_not_found"
    }
  }

  package var message: String {
    switch self {
    case .noSuchPath(let path): "There is no file or folder '\(path)'."
    case .cannotWrite(let path, let reason): "'\(path)' cannot be written: \(reason)"
    case .noModelsNamed(let text): "No model of the catalogue has '\(text)' in its name."
    }
  }

  package var remedy: String {
    switch self {
    case .noSuchPath: "Check the path, or name a model of the catalogue ('anprobe models' lists them)."
    case .cannotWrite: "Check the folder, its permissions and the space on the disk."
    case .noModelsNamed: "'anprobe models' lists the catalogue; a config.json, a file or hf:OWNER/NAME works as well."
    }
  }

  package var exitCode: ExitReason {
    if case .cannotWrite = self { return .failure }
    return .badInput
  }
}
