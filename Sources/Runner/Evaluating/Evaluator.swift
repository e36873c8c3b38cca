// SPDX-License-Identifier: Apache-2.0
package import CostModel
package import Evidence
package import Hardware
internal import HardwareProbe
package import Inference
package import LanguageModel
package import ModelFiles
internal import Quantities

/// A model that is judged: its description, weights and vocabulary.
package struct EvaluatedModel: Sendable {
  package var subject: Evaluation.Subject
  package var description: LanguageModelDescription
  package var weights: any WeightSource
  package var tokenizer: Tokenizer

  package init(
    description: LanguageModelDescription, weights: any WeightSource, tokenizer: Tokenizer, variant: String
  ) {
    self.description = description
    self.weights = weights
    self.tokenizer = tokenizer
    subject = Evaluation.Subject(
      model: description.name, variant: variant, file: weights.path, inventoryDigest: description.inventory.digest)
  }
}

/// What to judge a model by.
package struct EvaluationRequest: Sendable {
  package var text: String?
  package var method: WindowMethod
  /// Tokens of a window; also of a question with its answer.
  package var contextTokens: Int
  package var strideTokens: Int
  package var questions: [ChoiceQuestion]
  /// At most so many windows and questions.
  package var limit: Int?
  package var keyValueFormat: KeyValueFormat
  package var threads: ThreadCounts
  /// Whether the reference answers the questions too.
  package var asksReference = true

  package init(
    text: String? = nil, method: WindowMethod = .strided, contextTokens: Int = 512, strideTokens: Int = 256,
    questions: [ChoiceQuestion] = [], limit: Int? = nil, keyValueFormat: KeyValueFormat = .f16,
    threads: ThreadCounts
  ) {
    self.text = text
    self.method = method
    self.contextTokens = contextTokens
    self.strideTokens = strideTokens
    self.questions = questions
    self.limit = limit
    self.keyValueFormat = keyValueFormat
    self.threads = threads
  }
}

extension EvaluationRequest {
  /// At most `limit` questions of each task.
  fileprivate var limitedQuestions: [ChoiceQuestion] {
    guard let limit else { return questions }
    var counts: [String: Int] = [:]
    return questions.filter { question in
      counts[question.task, default: 0] += 1
      return counts[question.task, default: 0] <= limit
    }
  }
}

/// Judges a model on the built-in runtime, beside a reference where there is one.
package struct Evaluator: Sendable {
  package let machine: HardwareProfile
  package let kernels: KernelSet
  package let toolVersion: String
  let progress: @Sendable (String) -> Void
  let isCancelled: @Sendable () -> Bool

  package init(
    machine: HardwareProfile, kernels: KernelSet = .precise, toolVersion: String,
    progress: @escaping @Sendable (String) -> Void = { _ in }, isCancelled: @escaping @Sendable () -> Bool = { false }
  ) {
    self.machine = machine
    self.kernels = kernels
    self.toolVersion = toolVersion
    self.progress = progress
    self.isCancelled = isCancelled
  }

  /// - Throws: `EvaluationError`, `RunnerError.doesNotFit` before anything is loaded; `LanguageRuntimeError`.
  package func evaluate(
    _ model: EvaluatedModel, reference: EvaluatedModel?, _ request: EvaluationRequest
  ) throws -> Evaluation {
    let reading = try request.text.map { try TextReading($0, model, reference, request) }
    let workload = Workload(contextTokens: request.contextTokens, keyValueFormat: request.keyValueFormat)
    try checkFit(model, reference, workload, threads: request.threads)
    let pool = try ThreadPool(counts: request.threads)
    defer { pool.stop() }
    progress("loading \(model.subject.file)")
    let session = try session(model, workload, pool)
    let other = try reference.map { try self.session($0, workload, pool) }
    var result = Evaluation(
      date: Timing.date(), toolVersion: toolVersion, machine: machine.name, subject: model.subject,
      reference: reference?.subject, threads: request.threads.decode,
      threadsBatch: request.threads.prefill, kernels: kernels.name.rawValue,
      keyValueFormat: request.keyValueFormat.rawValue)
    if let reading { try judge(reading, session, other, &result) }
    if result.isComplete, !request.questions.isEmpty {
      var evaluator = ChoiceEvaluator(
        session: session, tokenizer: model.tokenizer, contextTokens: request.contextTokens)
      session.truncate()
      let questions = request.limitedQuestions
      (result.tasks, result.isComplete) = try evaluator.judge(
        questions, progress: progress, isCancelled: isCancelled)
      if let other, let reference, result.isComplete, request.asksReference {
        other.truncate()
        var evaluator = ChoiceEvaluator(
          session: other, tokenizer: reference.tokenizer, contextTokens: request.contextTokens)
        (result.referenceTasks, result.isComplete) = try evaluator.judge(
          questions, progress: { progress("the reference: \($0)") }, isCancelled: isCancelled)
      }
    }
    if result.text == nil, result.tasks.isEmpty { throw EvaluationError.interrupted }
    return result
  }

  private func judge(
    _ reading: TextReading, _ session: InferenceSession, _ reference: InferenceSession?, _ result: inout Evaluation
  ) throws {
    var score = reading.emptyScore
    var divergence = Divergence()
    let evaluator = TextEvaluator(
      session: session, reference: reference, progress: progress, isCancelled: isCancelled)
    result.isComplete = try evaluator.judge(
      reading.windows, of: reading.tokens, first: reading.first, score: &score, divergence: &divergence)
    guard score.likelihood.count > 0 else { return }
    if result.isComplete { score.extent = reading.extent }
    result.text = score
    if reference != nil { result.divergence = divergence }
  }

  private func session(
    _ model: EvaluatedModel, _ workload: Workload, _ pool: ThreadPool
  ) throws -> InferenceSession {
    try InferenceSession(
      architecture: model.description.architecture, weights: model.weights, workload: workload, kernels: kernels,
      pool: pool)
  }

  private func checkFit(
    _ model: EvaluatedModel, _ reference: EvaluatedModel?, _ workload: Workload, threads: ThreadCounts
  ) throws {
    guard let reference else {
      return try Measurer.checkFit(
        model.description, variant: model.subject.variant, workload: workload, on: machine, threads: threads)
    }
    let needed = [model, reference].map { model in
      let plan = RuntimeMemoryPlan(
        architecture: model.description.architecture, inventory: model.description.inventory, workload: workload,
        threads: threads.most)
      return plan.total
    }
    let process = ProcessOverhead(machine.calibration).bytes.value ?? .zero
    guard let usable = machine.memory.usable.value, needed[0] + needed[1] + process > usable else { return }
    throw EvaluationError.bothDoNotFit(
      model: model.subject.file, needed: needed[0], reference: reference.subject.file, referenceNeeded: needed[1],
      usable: usable, source: machine.memory.usable.source)
  }
}

/// A text as tokens, cut into windows.
private struct TextReading {
  let tokens: [Int32]
  let windows: [ScoringWindow]
  /// What stands at the beginning of each window.
  let first: Int32?
  /// Nil when the windows do not judge the whole text.
  let extent: TextExtent?
  let emptyScore: TextScore

  init(
    _ text: String, _ model: EvaluatedModel, _ reference: EvaluatedModel?, _ request: EvaluationRequest
  ) throws(EvaluationError) {
    let (context, stride) = (request.contextTokens, request.strideTokens)
    guard request.method != .strided || stride < context else {
      throw .strideTooLong(stride: stride, context: context)
    }
    let tokenizer = model.tokenizer
    let plain = tokenizer.encode(text, addsSpecial: false)
    if let reference, !Self.agree(model, reference, plain, reference.tokenizer.encode(text, addsSpecial: false)) {
      throw .vocabulariesDiffer(
        model: model.subject.file, count: tokenizer.vocabularySize, reference: reference.subject.file,
        referenceCount: reference.tokenizer.vocabularySize)
    }
    let begin = tokenizer.addsBeginOfSequence ? tokenizer.beginOfSequence : nil
    // The first token is judged too where the model has a token that texts begin with.
    let prefix = request.method == .halves ? begin : tokenizer.beginOfSequence ?? tokenizer.endOfSequence
    tokens = (prefix.map { [$0] } ?? []) + plain
    let all = ScoringWindow.plan(request.method, count: tokens.count, length: context, stride: stride)
    windows = Array(all.prefix(request.limit ?? .max))
    guard !windows.isEmpty else {
      throw .textTooShort(tokens: tokens.count, needed: request.method == .halves ? context : 2)
    }
    first = request.method == .halves ? begin : nil
    let judgesAll = request.method != .halves && prefix != nil && windows.count == all.count
    extent = judgesAll ? TextExtent(of: text) : nil
    emptyScore = TextScore(
      method: request.method, contextTokens: context, strideTokens: request.method == .strided ? stride : context)
  }

  private static func agree(
    _ model: EvaluatedModel, _ reference: EvaluatedModel, _ tokens: [Int32], _ others: [Int32]
  ) -> Bool {
    model.description.architecture.vocabularySize == reference.description.architecture.vocabularySize
      && tokens == others
  }
}
