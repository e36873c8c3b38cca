// SPDX-License-Identifier: Apache-2.0
package import Evidence
package import Inference

/// Answers questions by the log-likelihoods of their choices, as the lm-evaluation-harness does.
package struct ChoiceEvaluator {
  private let session: InferenceSession
  private let tokenizer: Tokenizer
  private let contextTokens: Int
  /// What the session's cache holds, so that choices with the same beginning run it once.
  private var cached: [Int32] = []

  package init(session: InferenceSession, tokenizer: Tokenizer, contextTokens: Int) {
    self.session = session
    self.tokenizer = tokenizer
    self.contextTokens = contextTokens
  }

  /// Judges questions task by task.
  ///
  /// - Returns: the scores in the order in which the tasks first come, and false when it was cancelled.
  package mutating func judge(
    _ questions: [ChoiceQuestion], progress: (String) -> Void = { _ in }, isCancelled: () -> Bool = { false }
  ) throws(LanguageRuntimeError) -> (scores: [ChoiceScore], isComplete: Bool) {
    var scores: [ChoiceScore] = []
    for (index, question) in questions.enumerated() {
      if isCancelled() { return (scores, false) }
      progress("question \(index + 1) of \(questions.count)")
      var logLikelihoods: [Double] = []
      for choice in question.choices { logLikelihoods.append(try logLikelihood(choice)) }
      let place = scores.firstIndex { $0.task == question.task } ?? scores.count
      if place == scores.count { scores.append(ChoiceScore(task: question.task)) }
      scores[place].add(question, logLikelihoods: logLikelihoods)
    }
    return (scores, true)
  }

  /// ln p of a continuation behind its context, in nats; a context too long loses its beginning.
  package mutating func logLikelihood(_ choice: ChoiceQuestion.Choice) throws(LanguageRuntimeError) -> Double {
    var (sequence, judged) = tokens(of: choice)
    let surplus = sequence.count - 1 - contextTokens
    if surplus > 0 { sequence.removeFirst(surplus) }
    judged = min(judged, sequence.count - 1)
    let inputs = Array(sequence.dropLast())
    let shared = zip(inputs, cached).prefix { $0 == $1 }.count
    let start = inputs.count - judged
    // The last token of the context runs again: its logits judge the first of the continuation.
    let resume = session.truncate(to: min(shared, start))
    cached = []
    try session.run(Array(inputs[resume..<start]))
    var sum = 0.0
    try session.forEachLogits(of: Array(inputs[start...])) { index, logits in
      sum += LogitRow(UnsafeBufferPointer(logits)).logProbability(sequence[start + 1 + index])
    }
    cached = inputs
    return sum
  }

  /// The tokens of context and continuation together, and how many of them belong to the continuation.
  ///
  /// Spaces at the end of a context go to the continuation: words are tokens with the space before them.
  private func tokens(of choice: ChoiceQuestion.Choice) -> (sequence: [Int32], judged: Int) {
    let spaces = choice.context.reversed().prefix { $0.isWhitespace }.count
    let context = String(choice.context.dropLast(spaces))
    let all = tokenizer.encode(choice.context + choice.continuation)
    var whole = all
    if tokenizer.addsEndOfSequence, whole.last == tokenizer.endOfSequence { whole.removeLast() }
    var before = tokenizer.encode(context)
    if tokenizer.addsEndOfSequence, before.last == tokenizer.endOfSequence { before.removeLast() }
    // Nothing in front: the model starts from a token that begins or ends texts.
    if before.isEmpty, let prefix = tokenizer.beginOfSequence ?? tokenizer.endOfSequence {
      return ([prefix] + whole, whole.count)
    }
    return (whole, max(1, whole.count - before.count))
  }
}
