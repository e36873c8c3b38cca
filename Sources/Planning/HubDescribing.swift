// SPDX-License-Identifier: Apache-2.0
internal import Hub
internal import LanguageModel

extension PlanningSession {
  /// The shapes of a model on the hub; configuration and headers are read, no weight is.
  func hubDescription(_ repository: String) throws -> LanguageModelDescription {
    try Hub().description(of: repository)
  }
}
