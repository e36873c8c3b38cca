// SPDX-License-Identifier: Apache-2.0

/// What one model's answers were judged to be.
package struct Evaluation: Sendable, Equatable {
  /// A model that took part.
  package struct Subject: Sendable, Equatable {
    package var model: String
    /// As its file says, or "as the file has it".
    package var variant: String
    package var file: String
    package var inventoryDigest: String

    package init(model: String, variant: String, file: String, inventoryDigest: String) {
      self.model = model
      self.variant = variant
      self.file = file
      self.inventoryDigest = inventoryDigest
    }
  }

  /// ISO 8601, UTC.
  package var date: String
  package var toolVersion: String
  package var machine: String
  package var subject: Subject
  package var reference: Subject?
  /// Of passes of a few rows, and of prompts, which windows of a text are.
  package var threads: Int
  package var threadsBatch: Int
  package var kernels: String
  package var keyValueFormat: String
  package var text: TextScore?
  package var divergence: Divergence?
  package var tasks: [ChoiceScore]
  /// The reference's answers to the same questions.
  package var referenceTasks: [ChoiceScore] = []
  /// False when it was interrupted: what was judged until then is kept.
  package var isComplete: Bool

  package init(
    date: String, toolVersion: String, machine: String, subject: Subject, reference: Subject? = nil, threads: Int,
    threadsBatch: Int? = nil, kernels: String, keyValueFormat: String, text: TextScore? = nil,
    divergence: Divergence? = nil,
    tasks: [ChoiceScore] = [], isComplete: Bool = true
  ) {
    self.date = date
    self.toolVersion = toolVersion
    self.machine = machine
    self.subject = subject
    self.reference = reference
    self.threads = threads
    self.threadsBatch = threadsBatch ?? threads
    self.kernels = kernels
    self.keyValueFormat = keyValueFormat
    self.text = text
    self.divergence = divergence
    self.tasks = tasks
    self.isComplete = isComplete
  }
}
