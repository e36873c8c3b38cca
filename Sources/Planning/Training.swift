// SPDX-License-Identifier: Apache-2.0
internal import CostModel
internal import Hardware
internal import Inference
internal import LanguageModel
internal import ModelFiles
internal import Runner
package import Training

/// What to train, in a user's words.
package struct ModelTrainingOptions: Sendable {
  /// A text, or a file of it.
  package var text: String
  package var validation: String?
  package var start: TrainingRequest.Start
  package var adaptation: Adaptation
  package var merges: Bool
  /// A GGUF file with the same vocabulary.
  package var teacher: String?
  package var loss: TokenLoss
  package var settings: TrainingSettings
  package var resumes: Bool
  package var running: MeasuringOptions

  package init(
    text: String, validation: String? = nil, start: TrainingRequest.Start = .file,
    adaptation: Adaptation = .allWeights, merges: Bool = false, teacher: String? = nil, loss: TokenLoss = TokenLoss(),
    settings: TrainingSettings, resumes: Bool = false, running: MeasuringOptions
  ) {
    self.text = text
    self.validation = validation
    self.start = start
    self.adaptation = adaptation
    self.merges = merges
    self.teacher = teacher
    self.loss = loss
    self.settings = settings
    self.resumes = resumes
    self.running = running
  }
}

extension PlanningSession {
  /// Trains a GGUF file's model and writes the result as another GGUF file.
  package func train(_ path: String, to output: String, _ options: ModelTrainingOptions) throws -> TrainingRecord {
    let file = try self.file(of: .path(path))
    guard file.metadata != nil else { throw TrainingError.notGGUF(path: path) }
    let tokenizer = try self.tokenizer(ofFile: path)
    func text(_ argument: String) throws -> TrainingText {
      let name = argument.split(separator: "/").last.map(String.init) ?? argument
      return TrainingText(
        name: String(name.prefix(Self.longestTextName)), tokens: tokenizer.encode(try Self.givenText(argument)))
    }
    var settings = options.settings
    settings.context = min(settings.context, file.description.architecture.contextLength ?? .max)
    let request = TrainingRequest(
      source: file, output: output, text: try text(options.text), validation: try options.validation.map(text),
      start: options.start, adaptation: options.adaptation, merges: options.merges,
      teacher: try options.teacher.map { try self.file(of: .path($0)) }, loss: options.loss, settings: settings,
      resumes: options.resumes)
    let threads = try options.running.threads.prefill ?? profile(of: .here).processor.usableCores
    let pool = try ThreadPool(count: threads)
    defer { pool.stop() }
    _ = ResidentMemory.resetPeak()
    let trainer = Trainer(
      toolVersion: options.running.toolVersion, pool: pool, progress: options.running.progress,
      isCancelled: options.running.isCancelled)
    var record = try trainer.train(request)
    record.peakMemory = ResidentMemory.peak()
    return record
  }

  private static let longestTextName = 100
}
