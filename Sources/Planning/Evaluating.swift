// SPDX-License-Identifier: Apache-2.0
internal import Archive
package import CostModel
package import Evidence
internal import Foundation
internal import Hardware
internal import Inference
internal import JSONText
internal import LanguageModel
internal import ModelFiles
internal import Runner

/// What to judge a file by, and how.
package struct EvaluatingOptions: Sendable {
  /// The text itself, or a file of it.
  package var text: String?
  /// A file of questions, one JSON object per line.
  package var tasks: String?
  package var method: WindowMethod
  package var contextTokens: Int
  /// Nil moves on by half a window.
  package var strideTokens: Int?
  package var limit: Int?
  /// Questions of each kind that are made of the text itself; 0 for none.
  package var probes: Int
  /// Whether the reference answers the questions too.
  package var asksReference = true
  package var keyValueFormat: KeyValueFormat
  package var running: MeasuringOptions

  package init(
    text: String?, tasks: String?, method: WindowMethod = .strided, contextTokens: Int = 512, strideTokens: Int? = nil,
    limit: Int? = nil, probes: Int = 0, keyValueFormat: KeyValueFormat = .f16, running: MeasuringOptions
  ) {
    self.text = text
    self.tasks = tasks
    self.method = method
    self.contextTokens = contextTokens
    self.strideTokens = strideTokens
    self.limit = limit
    self.probes = probes
    self.keyValueFormat = keyValueFormat
    self.running = running
  }
}

extension PlanningSession {
  /// Judges a file by a text, questions or both, against a reference where one is named, and keeps the result.
  package func evaluate(
    _ path: String, reference: String?, _ options: EvaluatingOptions
  ) throws -> Evaluation {
    let machine = try profile(of: .here)
    // An archive that cannot be written is told before the work, not after it.
    let archive = try Archive(path: folders.archive)
    let model = try evaluated(path, adapters: options.running.adapters)
    let other = try reference.map { try evaluated($0) }
    let context = min(
      options.contextTokens, model.description.architecture.contextLength ?? .max,
      other?.description.architecture.contextLength ?? .max)
    let text = try options.text.map(Self.givenText)
    let probes = text.map { TextProbes.questions($0, count: options.probes, contextTokens: context) } ?? []
    var request = EvaluationRequest(
      text: text, method: options.method, contextTokens: context,
      strideTokens: options.strideTokens ?? max(1, context / 2),
      questions: (try options.tasks.map(Self.questions) ?? []) + probes, limit: options.limit,
      keyValueFormat: options.keyValueFormat,
      threads: ThreadChoice(machine, options.running.threads).counts)
    request.asksReference = options.asksReference
    let kernels = try Self.kernels(options.running.kernels ?? KernelSet.precise.name.rawValue)
    let evaluator = Evaluator(
      machine: machine, kernels: kernels, toolVersion: options.running.toolVersion,
      progress: options.running.progress, isCancelled: options.running.isCancelled)
    let evaluation = try evaluator.evaluate(model, reference: other, request)
    try archive.save(evaluation)
    return evaluation
  }

  private func evaluated(_ path: String, adapters: [AdapterReference] = []) throws -> EvaluatedModel {
    let file = try self.file(of: .path(path), adapters: adapters)
    guard let weights = file.weights else { throw ModelFileError.notAModel(path: path, reason: "it holds no weights") }
    // An adapter makes another model of the file.
    let variant =
      ([file.metadata?.string(Provenance.variantKey) ?? Measurement.asInFile]
      + adapters.map { "adapter \(($0.path as NSString).lastPathComponent)" }).joined(separator: "+")
    return EvaluatedModel(
      description: file.description, weights: weights, tokenizer: try tokenizer(ofFile: path), variant: variant)
  }

  /// The contents of a file; what is no path is the text itself.
  static func givenText(_ argument: String) throws -> String {
    if FileManager.default.fileExists(atPath: argument) {
      return String(decoding: try contents(of: argument), as: UTF8.self)
    }
    let looksLikePath = !argument.contains { $0.isWhitespace } && (argument.contains("/") || argument.hasSuffix(".txt"))
    guard !looksLikePath else { throw EvaluationError.noText(path: argument) }
    return argument
  }

  static func questions(_ path: String) throws -> [ChoiceQuestion] {
    guard FileManager.default.fileExists(atPath: path) else { throw PlanningError.noSuchPath(path) }
    let lines = try contents(of: path).split(separator: 0x0A, omittingEmptySubsequences: false)
    var questions: [ChoiceQuestion] = []
    for (index, line) in lines.enumerated() where !line.allSatisfy({ $0 == 0x20 || $0 == 0x0D || $0 == 0x09 }) {
      do { questions.append(try ChoiceQuestion(json: JSON(parsing: Array(line)))) } catch {
        throw EvaluationError.badTask(path: path, line: index + 1, reason: Self.reason(error))
      }
    }
    guard !questions.isEmpty else { throw EvaluationError.noTasks(path: path) }
    return questions
  }

  private static func contents(of path: String) throws -> [UInt8] {
    let file = try MappedFile(path: path)
    // The bytes live no longer than the object that maps them.
    return withExtendedLifetime(file) { Array(file.bytes) }
  }

  private static func reason(_ error: any Error) -> String {
    switch error {
    case let fault as ChoiceFault:
      switch fault {
      case .unknownForm(let keys): "it has none of the known sets of keys, but \(keys.joined(separator: ", "))"
      case .badValue(let key, let expected): "'\(key)' is not \(expected)"
      }
    case let fault as JSONError: "it is no JSON at byte \(fault.offset)"
    default: "\(error)"
    }
  }
}
