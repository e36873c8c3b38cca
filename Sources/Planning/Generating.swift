// SPDX-License-Identifier: Apache-2.0
package import CostModel
internal import Hardware
package import Inference
internal import LanguageModel
internal import ModelFiles
internal import Runner

/// How to continue a text.
package struct GeneratingOptions: Sendable {
  package var prompt: String
  package var count: Int
  package var sampler: Sampler.Settings
  package var workload: Workload
  package var threads: Int?
  package var kernels: String?
  /// Whether weights are put into the order that the kernels read fastest.
  package var repacks: Bool

  package init(
    prompt: String, count: Int, sampler: Sampler.Settings, workload: Workload, threads: Int? = nil,
    kernels: String? = nil, repacks: Bool = true
  ) {
    self.prompt = prompt
    self.count = count
    self.sampler = sampler
    self.workload = workload
    self.threads = threads
    self.kernels = kernels
    self.repacks = repacks
  }
}

extension PlanningSession {
  /// The tokens of a text in a file's vocabulary.
  package func tokenizer(ofFile path: String) throws -> Tokenizer {
    let file = try self.file(of: .path(path))
    guard let metadata = file.metadata else {
      throw TokenizerError.missingKey(path: path, key: "tokenizer.ggml.model")
    }
    return try Tokenizer(metadata, path: path)
  }

  /// Continues a prompt with a file's weights.
  ///
  /// - Parameter onText: gets the text as it comes.
  package func generate(
    _ path: String, _ options: GeneratingOptions, isCancelled: () -> Bool, onText: (String) -> Void
  ) throws -> TextGenerator.Result {
    let file = try self.file(of: .path(path))
    guard let weights = file.weights else { throw ModelFileError.notAModel(path: path, reason: "it holds no weights") }
    let tokenizer = try self.tokenizer(ofFile: path)
    let machine = try profile(of: .here)
    var workload = options.workload
    workload.contextTokens = min(workload.contextTokens, file.description.architecture.contextLength ?? .max)
    try Measurer.checkFit(
      file.description, variant: "the file has it", workload: workload, on: machine,
      threads: options.threads ?? machine.processor.usableCores)
    let pool = try ThreadPool(count: options.threads ?? machine.processor.usableCores)
    defer { pool.stop() }
    let session = try InferenceSession(
      architecture: file.description.architecture, weights: weights, workload: workload,
      kernels: try Self.kernels(options.kernels, repacks: options.repacks), pool: pool)
    var generator = TextGenerator(session: session, tokenizer: tokenizer, sampler: Sampler(options.sampler))
    return try generator.generate(options.prompt, count: options.count, isCancelled: isCancelled, onText: onText)
  }
}
