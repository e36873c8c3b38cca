// SPDX-License-Identifier: Apache-2.0

/// A question with several continuations of which the likeliest is the model's answer.
package struct ChoiceQuestion: Sendable, Equatable {
  package struct Choice: Sendable, Equatable {
    package var context: String
    /// Begins with the space that separates it from the context, where there is one.
    package var continuation: String
    /// Bytes of the choice alone, which `accNorm` divides by.
    package var bytes: Int

    package init(context: String, continuation: String, bytes: Int) {
      self.context = context
      self.continuation = continuation
      self.bytes = bytes
    }
  }

  /// What counts as right.
  package enum Truth: Sendable, Equatable {
    /// One choice, by its place.
    case one(Int)
    /// Those that are true: the score is the probability that falls on them (TruthfulQA's MC2).
    case several([Bool])
  }

  package var task: String
  package var choices: [Choice]
  package var truth: Truth
  /// False where the choices differ in their contexts (Winogrande): all continuations are the same.
  package var normalises: Bool

  package init(task: String, choices: [Choice], truth: Truth, normalises: Bool = true) {
    self.task = task
    self.choices = choices
    self.truth = truth
    self.normalises = normalises
  }
}

/// What the answers to one task's questions add up to.
package struct ChoiceScore: Sendable, Equatable {
  package var task: String
  private var accuracy = RunningMean()
  private var normalised = RunningMean()

  package init(task: String) { self.task = task }

  package var count: Int { accuracy.count }
  /// Share of right answers, or the mean probability of the true ones.
  package var acc: Estimate? { accuracy.estimate }
  /// The same by log-likelihood per byte; nil where the task has none.
  package var accNorm: Estimate? { normalised.estimate }

  /// Whether two models' shares differ by less than twice the standard error of their difference, taken as if each had
  /// answered other questions, which asks for more than the same questions do; nil where an error is unknown.
  package func isWithinError(of other: ChoiceScore) -> Bool? {
    guard let mine = accNorm ?? acc, let its = other.accNorm ?? other.acc, let a = mine.standardError,
      let b = its.standardError
    else { return nil }
    return abs(mine.value - its.value) <= 2 * (a * a + b * b).squareRoot()
  }

  /// Judges a question by the log-likelihoods (nats) of its choices; the first of equals is the answer.
  package mutating func add(_ question: ChoiceQuestion, logLikelihoods: [Double]) {
    switch question.truth {
    case .one(let right):
      accuracy.add(Self.best(logLikelihoods) == right ? 1 : 0)
      guard question.normalises else { return }
      let perByte = zip(logLikelihoods, question.choices).map { $0 / Double(max(1, $1.bytes)) }
      normalised.add(Self.best(perByte) == right ? 1 : 0)
    case .several(let truths): accuracy.add(Self.share(of: truths, logLikelihoods))
    }
  }

  private static func best(_ values: [Double]) -> Int {
    values.indices.reduce(0) { values[$1] > values[$0] ? $1 : $0 }
  }

  private static func share(of truths: [Bool], _ logLikelihoods: [Double]) -> Double {
    let top = logLikelihoods.max() ?? 0
    let weights = logLikelihoods.map { Estimate($0 - top).exponential.value }
    let all = weights.reduce(0, +)
    return zip(weights, truths).reduce(0) { $0 + ($1.1 ? $1.0 : 0) } / all
  }
}
