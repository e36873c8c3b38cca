// SPDX-License-Identifier: Apache-2.0
package import Compression
package import Evidence
package import Quantities
internal import Training

/// What a study makes its variants with and judges them by.
package struct StudyOptions: Sendable {
  /// The folder of its files; a study that was stopped goes on there.
  package var folder: String
  /// A file, or the text itself.
  package var text: String
  /// Nil takes the first half of the text, and judges by the second.
  package var calibration: String?
  package var tasks: String?
  /// Windows and questions at most.
  package var limit: Int?
  /// Variants besides the usual ones.
  package var variants: [CompressionVariant]
  /// Nil makes no variant that is the result of training.
  package var training: StudyTraining?
  /// A sentence for the report.
  package var note: String?
  /// Variants to work on, by name or label; none works on all.
  package var only: [String] = []
  /// Forgets this stage of those variants and what follows from it first.
  package var again: StudyStage?
  /// What the report says it was made by.
  package var command: String
  package var running: MeasuringOptions

  package init(
    folder: String, text: String, calibration: String? = nil, tasks: String? = nil, limit: Int? = nil,
    variants: [CompressionVariant] = [], training: StudyTraining? = nil, command: String, running: MeasuringOptions
  ) {
    self.folder = folder
    self.text = text
    self.calibration = calibration
    self.tasks = tasks
    self.limit = limit
    self.variants = variants
    self.training = training
    self.command = command
    self.running = running
  }
}

/// How the variants of a study are trained: all for as many steps on the same text.
package struct StudyTraining: Sendable, Equatable {
  /// A file, or the text itself.
  package var text: String
  package var steps: Int
  /// Students are trained with the seeds 1 to this, alone and with their teacher.
  package var seeds: Int
  /// Windows of a step, and tokens of a window.
  package var batch: Int
  package var context: Int

  package init(text: String, steps: Int, seeds: Int, batch: Int = 4, context: Int = 256) {
    self.text = text
    self.steps = steps
    self.seeds = seeds
    self.batch = batch
    self.context = context
  }

  /// Highest learning rates: low-rank factors begin at nothing, a student at random weights.
  static let adapterRate = 2e-3
  static let studentRate = 3e-3
  /// In a few hundred steps a student learns more from what its teacher expects than from the one token that came.
  static let distillation = TokenLoss(teacherShare: 0.9, temperature: 1)
}

/// What is found of a variant, in this order.
package enum StudyStage: String, Sendable, CaseIterable {
  case make, measure, judge
}

/// Why a study does not start or go on.
package enum StudyError: ExplainedError, Equatable {
  case otherSettings(folder: String)
  case notWritable(folder: String)
  case interrupted(folder: String, done: Int, of: Int)
  /// A variant that `--only` names and the study does not have.
  case noSuchVariant(String, known: [String])
  /// A step that is the result of training, and no text to learn from.
  case needsText(step: String)
  case unknownStudent(String)

  package var kind: String {
    switch self {
    case .otherSettings: "study_differs"
    case .notWritable: "folder_not_writable"
    case .interrupted: "interrupted"
    case .noSuchVariant: "variant_not_in_study"
    case .needsText: "needs_training"
    case .unknownStudent: "student_unknown"
    }
  }

  package var message: String {
    switch self {
    case .otherSettings(let folder): "'\(folder)' holds a study of another model, text or limit."
    case .notWritable(let folder): "The folder '\(folder)' cannot be written."
    case .interrupted(let folder, let done, let count):
      "The study in '\(folder)' was interrupted with \(done) of \(count) variants done."
    case .noSuchVariant(let name, let known):
      "The study has no variant '\(name)'; it has \(known.joined(separator: ", "))."
    case .needsText(let step):
      "The step '\(step)' is the result of training, and the study was given no text to learn from (--train)."
    case .unknownStudent(let name):
      "'student:\(name)' is a model of its own; a study trains 'student:half', with half of the layers."
    }
  }

  package var remedy: String {
    switch self {
    case .otherSettings: "Give another --out folder, or the same model and options."
    case .notWritable: "Check its permissions, or give another --out folder."
    case .interrupted: "Run the same command again, without --again: it goes on where it stopped."
    case .noSuchVariant: "Name one of these, or add it with --variant."
    case .needsText: "Give --train TEXT, or leave the variant out."
    case .unknownStudent: "Judge that model with 'anprobe evaluate FILE --reference FILE'."
    }
  }

  package var exitCode: ExitReason {
    switch self {
    case .otherSettings, .noSuchVariant, .needsText, .unknownStudent: .badInput
    case .notWritable, .interrupted: .failure
    }
  }
}

extension PlanningSession {
  /// Makes, measures and judges variants of a file's model, and writes a report of them.
  ///
  /// Everything found is written to the folder before the next step begins, so that a study that was stopped anywhere
  /// goes on there.
  package func study(_ path: String, _ options: StudyOptions) throws -> Study {
    var keeper = try StudyKeeper(self, path, options)
    for index in keeper.chosen {
      while !keeper.study.entries[index].isDone {
        if options.running.isCancelled() { throw keeper.interruption }
        do {
          try keeper.advance(index)
        } catch let error as any ExplainedError where error.kind == "interrupted" {
          throw keeper.interruption
        } catch let error as any ExplainedError where error.kind != "disk_full" {
          keeper.study.entries[index].refusal = error.message
        }
        try keeper.save()
      }
    }
    try keeper.writeReports()
    return keeper.study
  }
}
