// SPDX-License-Identifier: Apache-2.0
package import Quantities

/// Why a measurement does not start.
package enum RunnerError: ExplainedError, Equatable {
  /// Loading would take more memory than may be used.
  case doesNotFit(model: String, variant: String, needed: ByteCount, usable: ByteCount, source: String?)
  /// The prompt and the generation are longer than the context asked for.
  case contextTooShort(context: Int, needed: Int)
  case interrupted

  package var kind: String {
    switch self {
    case .doesNotFit: "does_not_fit"
    case .contextTooShort: "context_too_short"
    case .interrupted: "interrupted"
    }
  }

  package var message: String {
    switch self {
    case .doesNotFit(let model, let variant, let needed, let usable, let source):
      "'\(model)' as \(variant) needs \(needed), and \(usable) can be used"
        + (source.map { ", limited by \($0)." } ?? ".")
    case .contextTooShort(let context, let needed):
      "A prompt and a generation of together \(needed) tokens do not go into a context of \(context)."
    case .interrupted: "The measurement was interrupted before its first sample."
    }
  }

  package var remedy: String {
    switch self {
    case .doesNotFit:
      "Take a smaller variant or less context ('anprobe recommend' finds one), or leave out --full to measure a sample."
    case .contextTooShort(_, let needed): "Ask for --context \(needed) or more, or fewer tokens."
    case .interrupted: "Run it again; a sampled measurement takes seconds."
    }
  }

  package var exitCode: ExitReason {
    switch self {
    case .doesNotFit: .nothingFits
    case .contextTooShort: .badInput
    case .interrupted: .failure
    }
  }
}
