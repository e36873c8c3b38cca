// SPDX-License-Identifier: Apache-2.0
package import Compression
package import CostModel
package import Evidence
internal import Inference
internal import LanguageModel
internal import ModelFiles
internal import Quantities
internal import Runner

/// Who proposes tokens, and how many at a time.
package struct DraftReference: Sendable, Equatable {
  package enum Source: Sendable, Equatable {
    case file(String)
    /// What followed the same tokens before.
    case lookup
  }

  package var source: Source
  package var tokens: Int

  /// - Parameter text: a path, or `lookup`.
  package init(_ text: String, tokens: Int) {
    source = text == "lookup" ? .lookup : .file(text)
    self.tokens = tokens
  }

  package var name: String {
    switch source {
    case .file(let path): path
    case .lookup: "lookup"
    }
  }
}

/// A draft whose model is known and not loaded yet.
struct PlannedDraft {
  let reference: DraftReference
  /// Nil for lookup.
  let file: ModelFile?
  let workload: Workload

  func plan(threads: Int) -> RuntimeMemoryPlan? {
    file.map {
      RuntimeMemoryPlan(
        architecture: $0.description.architecture, inventory: $0.description.inventory, workload: workload,
        threads: threads)
    }
  }

  func load(kernels: KernelSet, pool: ThreadPool) throws -> Drafter {
    guard let file, let weights = file.weights else { return Drafter(.lookup, count: reference.tokens) }
    let session = try InferenceSession(
      architecture: file.description.architecture, weights: weights, workload: workload, kernels: kernels, pool: pool,
      defersPanels: true)
    return Drafter(.model(session), count: reference.tokens)
  }
}

extension PlanningSession {
  /// What a draft would gain by estimate; nil where a speed is not known.
  ///
  /// - Parameters:
  ///   - draft: runs as published, on the same platform. Judging k proposals is taken as a step of k + 1 sequences.
  ///   - acceptance: the share of the judged proposals that are accepted.
  package func drafting(
    _ model: ModelReference, _ variant: CompressionVariant, draft: ModelReference, tokens: Int, acceptance: Double,
    _ request: PlanningRequest
  ) throws -> SpeculativeDecoding? {
    var (one, many) = (request, request)
    one.workload.sequences = 1
    many.workload.sequences = tokens + 1
    return SpeculativeDecoding(
      model: try estimator(model, one, for: variant).estimate(variant),
      judging: try estimator(model, many, for: variant).estimate(variant),
      draft: try estimator(draft, one).estimate(.original), acceptance: acceptance)
  }

  /// - Throws: `LanguageRuntimeError.foreignDraft` for a model of another vocabulary.
  func draft(
    _ reference: DraftReference, for path: String, workload: Workload
  ) throws -> PlannedDraft {
    var own = workload
    own.sequences = 1
    guard case .file(let draft) = reference.source else {
      return PlannedDraft(reference: reference, file: nil, workload: own)
    }
    let (one, other) = (try tokenizer(ofFile: path), try tokenizer(ofFile: draft))
    if let token = one.firstDifference(from: other) { throw LanguageRuntimeError.foreignDraft(token: token) }
    let file = try self.file(of: .path(draft))
    guard file.weights != nil else { throw ModelFileError.notAModel(path: draft, reason: "it holds no weights") }
    own.contextTokens = min(own.contextTokens, file.description.architecture.contextLength ?? .max)
    return PlannedDraft(reference: reference, file: file, workload: own)
  }

  /// Times decoding with a draft beside decoding without, behind the options' prompt.
  package func measureDraft(
    _ path: String, _ options: GeneratingOptions, samples: Int, progress: @escaping (String) -> Void,
    isCancelled: @escaping () -> Bool
  ) throws -> DraftMeasurement {
    let tokenizer = try self.tokenizer(ofFile: path)
    let tokens = try tokens(of: options.prompt, in: tokenizer, path: path).tokens
    return try withSession(of: path, options) { session, drafter in
      let drafter = drafter ?? Drafter(.lookup, count: 1)
      return try DraftMeasurer(
        session: session, tokenizer: tokenizer, drafter: drafter, progress: progress, isCancelled: isCancelled
      ).measure(
        tokens.isEmpty ? [tokenizer.beginOfSequence ?? 0] : tokens, count: options.count, samples: samples, model: path,
        draft: options.draft?.name ?? "lookup")
    }
  }
}
