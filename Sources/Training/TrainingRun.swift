// SPDX-License-Identifier: Apache-2.0
internal import Inference
internal import LanguageModel

/// A training under way: the network, the optimiser and how far it is.
final class TrainingRun {
  let settings: TrainingSettings
  let network: Network<Float>
  let optimizer: AdamW
  let checkpoint: TrainingCheckpoint
  private(set) var progress = TrainingProgress()
  private let loss: TokenLoss
  private let pass: WindowPass<Float>
  private let teacher: WindowPass<Float>?
  private var order: WindowOrder

  /// - Throws: `TrainingError` when the model or its teacher cannot be trained or run, or the text is too short.
  init(_ request: TrainingRequest, _ start: TrainingStart, pool: ThreadPool) throws(TrainingError) {
    settings = request.settings
    loss = request.loss
    order = try WindowOrder(request.text.tokens, context: settings.context, seed: settings.seed)
    network = try Network(
      start.shape, request.adaptation, weights: start.initial(request.adaptation, seed: settings.seed),
      contextTokens: settings.context,
      pool: pool)
    if let file = request.teacher {
      let other = try TrainingStart(file, .file)
      teacher = WindowPass(
        try Network(
          other.shape, .frozen, weights: other.initial(.frozen, seed: 0), contextTokens: settings.context, pool: pool))
    } else {
      teacher = nil
    }
    pass = WindowPass(network)
    optimizer = AdamW(settings.optimizer, network.parameters, pool: pool)
    checkpoint = TrainingCheckpoint(path: request.checkpoint, summary: request.summary)
  }

  var step: Int { progress.step }
  var tokensPerStep: Int { settings.batch * settings.context }

  func resume() throws { progress = try checkpoint.restore(optimizer) }

  /// - Parameter seconds: what this run has taken until now.
  func save(seconds: Double) throws {
    var kept = progress
    kept.seconds += seconds
    try checkpoint.save(optimizer, kept)
  }

  /// One step: the gradients of a batch, and the optimiser's move.
  ///
  /// - Throws: `TrainingError.diverged` when the loss is no number; the weights are then those before the step.
  func advance() throws(TrainingError) -> TokenLoss.Value {
    network.parameters.clearGradients()
    var value = TokenLoss.Value()
    for window in 0..<settings.batch {
      let own = pass.accumulate(
        order.window(at: step * settings.batch + window), loss, teacher: teacher, share: 1 / Float(settings.batch))
      value.total += own.total / Double(settings.batch)
      value.crossEntropy += own.crossEntropy / Double(settings.batch)
    }
    let length = optimizer.gradientLength()
    guard value.total.isFinite, length.isFinite else { throw .diverged(step: step + 1) }
    optimizer.apply(step: step + 1, rate: settings.schedule.rate(at: step), gradientLength: length)
    count(value)
    return value
  }

  private func count(_ value: TokenLoss.Value) {
    let tenth = max(1, settings.steps / 10)
    if step < tenth { progress.firstLoss.add(value, share: 1 / Double(tenth)) }
    if step >= settings.steps - tenth { progress.lastLoss.add(value, share: 1 / Double(tenth)) }
    progress.step += 1
  }

  /// The mean cross entropy of a text's first windows, in nats per token.
  func crossEntropy(
    of text: TrainingText, isCancelled: () -> Bool
  ) throws(TrainingError) -> (mean: Double, tokens: Int) {
    let context = settings.context
    let windows = min(Self.validationWindows, (text.tokens.count - 1) / context)
    guard windows > 0 else { throw .textTooShort(tokens: text.tokens.count, needed: context + 1) }
    var sum = 0.0
    for index in 0..<windows where !isCancelled() {
      sum += pass.loss(of: text.tokens[index * context...(index + 1) * context]).crossEntropy
    }
    return (sum / Double(windows), windows * context)
  }

  private static let validationWindows = 64
}

extension TokenLoss.Value {
  fileprivate mutating func add(_ other: TokenLoss.Value, share: Double) {
    total += other.total * share
    crossEntropy += other.crossEntropy * share
  }
}
