// SPDX-License-Identifier: Apache-2.0
package import Inference
internal import LanguageModel
internal import ModelFiles
internal import Quantities

/// Trains a model of the llama family: all its weights, adapters beside them, or a student that follows a teacher.
///
/// The result appears under its name only when it is complete. A training that is stopped leaves its state beside it.
package struct Trainer: Sendable {
  package let toolVersion: String
  package let pool: ThreadPool
  let progress: @Sendable (String) -> Void
  let isCancelled: @Sendable () -> Bool

  package init(
    toolVersion: String, pool: ThreadPool, progress: @escaping @Sendable (String) -> Void = { _ in },
    isCancelled: @escaping @Sendable () -> Bool = { false }
  ) {
    self.toolVersion = toolVersion
    self.pool = pool
    self.progress = progress
    self.isCancelled = isCancelled
  }

  /// - Throws: `TrainingError` before the first step for what cannot be trained; `.diverged`; `.interrupted` when the user
  ///   stops; `ModelFileError`.
  package func train(_ request: TrainingRequest) throws -> TrainingRecord {
    let clock = ContinuousClock()
    let begin = clock.now
    try check(request)
    let start = try TrainingStart(request.source, request.start)
    let run = try TrainingRun(request, start, pool: pool)
    if request.resumes { try run.resume() }
    let before = try request.validation.map { try run.crossEntropy(of: $0, isCancelled: isCancelled) }
    try steps(of: run, clock)
    let validation = try request.validation.map { text in
      let after = try run.crossEntropy(of: text, isCancelled: isCancelled)
      return TrainingRecord.Validation(tokens: after.tokens, before: before?.mean ?? .nan, after: after.mean)
    }
    let variant = Self.variant(request)
    let file = TrainedFile(
      start: start, network: run.network, variant: variant, summary: request.summary, toolVersion: toolVersion)
    let bytes: Int
    if case .lora(let lora) = request.adaptation, !request.merges {
      bytes = try file.writeAdapter(lora, to: request.output)
    } else {
      bytes = try file.writeModel(to: request.output)
    }
    run.checkpoint.remove()
    let count = run.network.parameters.count
    return TrainingRecord(
      model: request.source.description.name, output: request.output, summary: request.summary, variant: variant,
      steps: run.step, tokens: run.step * run.tokensPerStep, seed: request.settings.seed, trainedParameters: count,
      firstLoss: run.progress.firstLoss, lastLoss: run.progress.lastLoss, validation: validation,
      stateBytes: ByteCount(4 * count * MemoryLayout<Float>.size), bytes: ByteCount(bytes),
      seconds: run.progress.seconds + (clock.now - begin) / .seconds(1))
  }

  /// What saving the state may take of the time.
  private static let savingShare = 0.02
  private static let shortestPause = 5.0

  private func steps(of run: TrainingRun, _ clock: ContinuousClock) throws {
    let (begin, firstStep) = (clock.now, run.step)
    var (saved, pause) = (begin, Self.shortestPause)
    while run.step < run.settings.steps {
      if isCancelled() {
        try run.save(seconds: (clock.now - begin) / .seconds(1))
        throw TrainingError.interrupted(step: run.step, checkpoint: run.checkpoint.path)
      }
      let loss = try run.advance()
      let now = clock.now
      let done = run.step - firstStep
      let each = (now - begin) / .seconds(1) / Double(done)
      let left = Seconds(each * Double(run.settings.steps - run.step))
      progress(
        "step \(run.step) of \(run.settings.steps): loss \(QuantityFormat.threeDigits(loss.total)), "
          + "\(Int(Double(run.tokensPerStep) / max(each, 1e-9))) tokens/s, \(left) left")
      if (now - saved) / .seconds(1) > pause {
        try run.save(seconds: (now - begin) / .seconds(1))
        saved = clock.now
        pause = max(Self.shortestPause, (saved - now) / .seconds(1) / Self.savingShare)
      }
    }
  }

  private func check(_ request: TrainingRequest) throws(TrainingError) {
    let settings = request.settings
    guard settings.steps > 0, settings.batch > 0, settings.context > 1 else {
      throw .badSetting("--steps, --batch, --context", reason: "a step needs a window of at least two tokens")
    }
    for input in [request.source.weights?.path, request.teacher?.weights?.path] where input != nil {
      if let own = FileIdentity(request.output), own == input.flatMap(FileIdentity.init) {
        throw .sameFile(path: request.output)
      }
    }
    if case .lora(let lora) = request.adaptation {
      guard lora.rank > 0 else { throw .badSetting("--lora", reason: "an adapter has a rank of at least 1") }
      if !request.merges, request.start != .file {
        throw .badSetting("--lora", reason: "an adapter kept apart needs the file that it belongs to; add --merged")
      }
      if !request.merges, !request.output.lowercased().hasSuffix(".gguf"), FileIdentity(request.output) != nil {
        throw .badSetting(request.output, reason: "an adapter in PEFT's layout is a new folder, and the name is taken")
      }
    }
    guard let teacher = request.teacher else { return }
    let (own, other) = (request.source.metadata, teacher.metadata)
    guard own?["tokenizer.ggml.tokens"] == other?["tokenizer.ggml.tokens"] else {
      throw .vocabularies(
        student: request.source.description.architecture.vocabularySize,
        teacher: teacher.description.architecture.vocabularySize)
    }
  }

  /// What was done, in the words of `anprobe variants`.
  private static func variant(_ request: TrainingRequest) -> String {
    var steps: [String] = []
    if let former = request.source.metadata?.string(Provenance.variantKey) { steps.append(former) }
    let layers = request.source.description.architecture.layers.count
    switch request.start {
    case .file: break
    case .layers(let kept): if kept.count < layers { steps.append("depth-\(layers - kept.count)") }
    case .student: return request.teacher.map { "student:\($0.description.name)" } ?? "student"
    }
    switch request.adaptation {
    case .frozen: break
    case .allWeights: steps.append("trained")
    case .lora(let lora):
      if let base = lora.base { steps.append(base.rawValue) }
      steps.append("lora-\(lora.rank)" + (request.merges ? "-merged" : ""))
    }
    return steps.joined(separator: "+")
  }
}
