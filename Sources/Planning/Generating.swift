// SPDX-License-Identifier: Apache-2.0
package import CostModel
internal import Foundation
internal import Hardware
package import Inference
internal import LanguageModel
package import ModelFiles
internal import Quantities
internal import Runner

/// What a model is given to continue.
package enum Prompt: Sendable, Equatable {
  /// A text as it is; empty starts from the beginning of a sequence.
  case text(String)
  /// A conversation, which the model's own template writes.
  case chat([ChatMessage])
}

/// How to continue a text.
package struct GeneratingOptions: Sendable {
  package var prompt: Prompt
  package var count: Int
  package var sampler: Sampler.Settings
  package var workload: Workload
  package var threads: ThreadWish
  package var kernels: String?
  /// Whether weights are put into the order that the kernels read fastest.
  package var repacks: Bool
  package var adapters: [AdapterReference] = []
  /// Who proposes tokens; only for one text at a time.
  package var draft: DraftReference?
  /// A file that keeps a text's cache from run to run; only for one text at a time.
  package var promptCache: String?
  /// Tokens that a full context keeps of its beginning to go on; nil ends the text there.
  package var keptTokens: Int?

  package init(
    prompt: Prompt, count: Int, sampler: Sampler.Settings, workload: Workload, threads: ThreadWish = .none,
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
  /// The vocabulary of a GGUF file, or of the `tokenizer.json` in a checkpoint's folder.
  package func tokenizer(ofFile path: String) throws -> Tokenizer {
    guard FileManager.default.fileExists(atPath: path) else { throw PlanningError.noSuchPath(path) }
    if let metadata = try GGUFMetadata.ofFile(path) { return try Tokenizer(metadata, path: path) }
    guard let files = try TokenizerFiles.beside(path) else { throw TokenizerError.noVocabulary(path: path) }
    return try Tokenizer(files)
  }

  /// The text of a file, damaged UTF-8 repaired.
  package static func text(ofFile path: String) throws(ModelFileError) -> String {
    let file = try MappedFile(path: path)
    return withExtendedLifetime(file) { String(decoding: file.bytes, as: UTF8.self) }
  }

  /// A prompt's tokens in a file's vocabulary, and the text that they stand for.
  package func tokens(
    of prompt: Prompt, in tokenizer: Tokenizer, path: String
  ) throws -> (text: String, tokens: [Int32]) {
    switch prompt {
    case .text(let text): return (text, tokenizer.encode(text, addsSpecial: true, parsesSpecial: true))
    case .chat(let messages):
      let text = try tokenizer.prompt(for: messages, path: path)
      return (text, tokenizer.encode(chat: text))
    }
  }

  /// Continues a prompt with a file's weights.
  ///
  /// - Parameters:
  ///   - onStart: told the threads when the model is ready.
  ///   - onText: gets the text as it comes.
  package func generate(
    _ path: String, _ options: GeneratingOptions, isCancelled: () -> Bool,
    onStart: (ThreadCounts) -> Void = { _ in },
    onText: (String) -> Void
  ) throws -> TextGenerator.Result {
    let tokenizer = try self.tokenizer(ofFile: path)
    let prompt = try tokens(of: options.prompt, in: tokenizer, path: path).tokens
    return try withSession(of: path, options) { session, drafter in
      let generator = TextGenerator(
        session: session, tokenizer: tokenizer, sampler: Sampler(options.sampler), drafter: drafter,
        keptTokens: options.keptTokens)
      let cache = options.promptCache
      if let cache, FileManager.default.fileExists(atPath: cache) { try session.loadCache(from: cache) }
      onStart(session.pool.counts)
      let result = try generator.generate(prompt, count: options.count, isCancelled: isCancelled, onText: onText)
      if let cache { try session.saveCache(to: cache) }
      return result
    }
  }

  /// Continues texts together, as many at a time as the workload has sequences; each with the seed after the last one's.
  ///
  /// - Parameters:
  ///   - onStart: told the threads when the model is ready.
  ///   - onResult: gets each text as soon as it is complete, with the index of its prompt.
  package func generate(
    _ path: String, prompts: [String], _ options: GeneratingOptions, isCancelled: () -> Bool,
    onStart: (ThreadCounts) -> Void = { _ in }, onResult: (Int, TextGenerator.Result) -> Void
  ) throws -> [TextGenerator.Result] {
    let tokenizer = try self.tokenizer(ofFile: path)
    let inputs = prompts.map { tokenizer.encode($0, addsSpecial: true, parsesSpecial: true) }
    let samplers = prompts.indices.map { index in
      var settings = options.sampler
      settings.seed &+= UInt64(index)
      return Sampler(settings)
    }
    return try withSession(of: path, options) { session, _ in
      onStart(session.pool.counts)
      return try BatchGenerator(
        session: session, tokenizer: tokenizer, tokensPerPass: Self.tokensPerPass, keptTokens: options.keptTokens
      ).generate(inputs, count: options.count, samplers: samplers, isCancelled: isCancelled, onResult: onResult)
    }
  }

  /// Texts that decode wait for so many tokens of others' prompts at most.
  private static let tokensPerPass = 128

  /// Loads a file's weights, and those of the draft, where they fit.
  func withSession<Result>(
    of path: String, _ options: GeneratingOptions, _ body: (InferenceSession, Drafter?) throws -> Result
  ) throws -> Result {
    let file = try self.file(of: .path(path), adapters: options.adapters)
    guard let weights = file.weights else { throw ModelFileError.notAModel(path: path, reason: "it holds no weights") }
    let machine = try profile(of: .here)
    var workload = options.workload
    workload.contextTokens = min(workload.contextTokens, file.description.architecture.contextLength ?? .max)
    let draft = try options.draft.map { try self.draft($0, for: path, workload: workload) }
    workload.draftTokens = options.draft?.tokens ?? 0
    let threads = ThreadChoice(machine, options.threads).counts
    try Measurer.checkFit(
      file.description, variant: "the file has it", workload: workload, on: machine, threads: threads,
      besides: draft?.plan(threads: threads.most)?.total ?? .zero)
    let kernels = try Self.kernels(options.kernels, repacks: options.repacks)
    let pool = try ThreadPool(counts: threads)
    defer { pool.stop() }
    let session = try InferenceSession(
      architecture: file.description.architecture, weights: weights, workload: workload, kernels: kernels, pool: pool,
      defersPanels: true)
    return try body(session, draft?.load(kernels: kernels, pool: pool))
  }
}
