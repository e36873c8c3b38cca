// SPDX-License-Identifier: Apache-2.0
internal import CostModel
internal import LanguageModel

/// A token that somebody proposes, and how likely each token was to be proposed in its place.
struct Draft {
  let token: Int32
  let candidates: [Sampler.Candidate]
}

/// Proposes tokens that a model judges in one pass: several for the price of one where they are right.
///
/// - Source: speculative decoding, Leviathan, Kalman and Matias, arXiv 2211.17192.
package struct Drafter {
  package enum Source {
    /// A smaller model of the same vocabulary. Nobody else uses its session.
    case model(InferenceSession)
    /// What followed the text's last tokens where they stood before.
    case lookup
  }

  private let source: Source
  /// The model that proposes, if one does.
  package var model: InferenceSession? { if case .model(let session) = source { session } else { nil } }
  /// The most tokens of one proposal.
  package let count: Int
  /// Draws for the proposals; its own, so that judging does not depend on them.
  private var sampler: Sampler?

  package init(_ source: Source, count: Int) {
    self.source = source
    self.count = count
  }

  /// Tokens that may follow a text, at most as many as the text may take before its last one and as the session's
  /// cache and logits have room for; none before the prompt has run.
  mutating func drafts(
    behind text: GrowingText, for session: InferenceSession
  ) throws(LanguageRuntimeError) -> [Draft] {
    let places = session.contextTokens - session.length() - 1
    let room = min(count, text.room - 1, places, session.plan.logitRows - 1)
    guard text.pending.count == 1, room > 0 else { return [] }
    let drafts =
      switch source {
      case .model(let model): try drafts(of: model, behind: text, count: room)
      case .lookup: Self.lookup(text.tokens, count: room)
      }
    return Array(drafts.prefix { Int($0.token) < session.architecture.vocabularySize })
  }

  /// A model's own continuation, chosen by the same rules as the text's.
  private mutating func drafts(
    of model: InferenceSession, behind text: GrowingText, count: Int
  ) throws(LanguageRuntimeError) -> [Draft] {
    let room = min(count, model.contextTokens - text.tokens.count + 1)
    model.reuse(text.tokens)
    var pending = Array(text.tokens[model.length()...])
    // Padding of the larger vocabulary, which the model has never seen.
    guard room > 0, pending.allSatisfy({ Int($0) < model.architecture.vocabularySize }) else { return [] }
    var own = sampler ?? text.sampler.independent
    own.follow(text.sampler)
    defer { sampler = own }
    var drafts: [Draft] = []
    while drafts.count < room {
      let draft = own.choose(try model.logits(after: pending))
      drafts.append(draft)
      pending = [draft.token]
    }
    return drafts
  }

  /// Prompt lookup: the longest end of the text, of three tokens at most, that stood in it before; of several places the
  /// last one.
  static func lookup(_ tokens: [Int32], count: Int) -> [Draft] {
    for length in stride(from: min(longestEnd, tokens.count - 1), through: 1, by: -1) {
      let end = tokens.suffix(length)
      let places = stride(from: tokens.count - length - 1, through: 0, by: -1)
      guard let place = places.first(where: { tokens[$0..<$0 + length] == end }) else { continue }
      return tokens[(place + length)...].prefix(count).map { token in
        Draft(token: token, candidates: [.init(id: token, logit: 0, probability: 1)])
      }
    }
    return []
  }
  private static let longestEnd = 3
}

extension TextGenerator.Drafting {
  mutating func note(proposed count: Int) {
    proposed += count
    passes += count > 0 ? 1 : 0
  }

  mutating func note(accepted isAccepted: Bool) {
    judged += 1
    accepted += isAccepted ? 1 : 0
  }
}
