// SPDX-License-Identifier: Apache-2.0
package import Quantities

/// Why an evaluation does not start.
package enum EvaluationError: ExplainedError, Equatable {
  /// Both models side by side would take more memory than may be used.
  case bothDoNotFit(
    model: String, needed: ByteCount, reference: String, referenceNeeded: ByteCount, usable: ByteCount, source: String?)
  case vocabulariesDiffer(model: String, count: Int, reference: String, referenceCount: Int)
  case textTooShort(tokens: Int, needed: Int)
  case strideTooLong(stride: Int, context: Int)
  case noText(path: String)
  case badTask(path: String, line: Int, reason: String)
  case noTasks(path: String)
  case interrupted

  package var kind: String {
    switch self {
    case .bothDoNotFit: "does_not_fit"
    case .vocabulariesDiffer: "vocabularies_differ"
    case .textTooShort: "text_too_short"
    case .strideTooLong: "stride_too_long"
    case .noText: "text_missing"
    case .badTask: "task_malformed"
    case .noTasks: "task_missing"
    case .interrupted: "interrupted"
    }
  }

  package var message: String {
    switch self {
    case .bothDoNotFit(let model, let needed, let reference, let referenceNeeded, let usable, let source):
      "'\(model)' (\(needed)) and its reference '\(reference)' (\(referenceNeeded)) must be in memory together and need "
        + "\(needed + referenceNeeded); \(usable) can be used" + (source.map { ", limited by \($0)." } ?? ".")
    case .vocabulariesDiffer(let model, let count, let reference, let referenceCount):
      "'\(model)' (\(count) tokens) and its reference '\(reference)' (\(referenceCount)) have different vocabularies, so "
        + "that their distributions cannot be compared."
    case .textTooShort(let tokens, let needed):
      "The text has \(tokens) tokens, and \(needed) are needed to judge one."
    case .strideTooLong(let stride, let context):
      "A stride of \(stride) leaves tokens out in a context of \(context)."
    case .noText(let path): "There is no text file '\(path)'."
    case .badTask(let path, let line, let reason): "Line \(line) of '\(path)' is no question: \(reason)."
    case .noTasks(let path): "'\(path)' has no question."
    case .interrupted: "The evaluation was interrupted before anything was judged."
    }
  }

  package var remedy: String {
    switch self {
    case .bothDoNotFit: "Compare with a smaller reference (q8_0 is close to lossless), or ask for less --context."
    case .vocabulariesDiffer: "Take a reference of the same model family, or leave out --reference."
    case .textTooShort: "Give a longer text, or a shorter --context."
    case .strideTooLong(_, let context): "Give a --stride from 1 to \(context - 1)."
    case .noText: "Check the path; a text with spaces is taken as the text itself."
    case .badTask, .noTasks:
      "Write one JSON object per line with 'question', 'choices' and 'answer', or rows of Winogrande, HellaSwag, ARC or "
        + "TruthfulQA."
    case .interrupted: "Run it again; a shorter text or --limit takes less time."
    }
  }

  package var exitCode: ExitReason {
    switch self {
    case .bothDoNotFit: .nothingFits
    case .interrupted: .failure
    default: .badInput
    }
  }
}
