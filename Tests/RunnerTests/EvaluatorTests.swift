// SPDX-License-Identifier: Apache-2.0
import CostModel
import Evidence
import Foundation
import Hardware
import Inference
import JSONText
import LanguageModel
import ModelFiles
import Quantities
import Runner
import Testing

/// The trained model of 260,032 weights beside another target's tests.
enum Story {
  private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("InferenceTests/Models")

  static func model() throws -> EvaluatedModel {
    let path = folder.appendingPathComponent("stories260K-f32.gguf").path
    let file = try ModelFile.open(path)
    let metadata = try #require(file.metadata)
    return EvaluatedModel(
      description: file.description, weights: try #require(file.weights),
      tokenizer: try Tokenizer(metadata, path: path), variant: "f32")
  }

  static func expected() throws -> JSON {
    try JSON(parsing: Array(Data(contentsOf: folder.appendingPathComponent("expected.json"))))
  }

  static func session(_ model: EvaluatedModel, context: Int, pool: ThreadPool) throws -> InferenceSession {
    try InferenceSession(
      architecture: model.description.architecture, weights: model.weights,
      workload: Workload(contextTokens: context, keyValueFormat: .f32), kernels: .best, pool: pool)
  }
}

@Suite struct EvaluatorTests {
  private func evaluate(
    _ request: EvaluationRequest, reference: EvaluatedModel? = nil, available: ByteCount? = nil,
    isCancelled: @escaping @Sendable () -> Bool = { false }
  ) throws -> Evaluation {
    var machine = try Fixture.machine()
    if let available { machine.memory.available = .exact(available, .measured, source: "the test") }
    let evaluator = Evaluator(machine: machine, toolVersion: "test", isCancelled: isCancelled)
    return try evaluator.evaluate(Story.model(), reference: reference, request)
  }

  @Test func `the greedy path has the likelihood that an independent forward pass gives it`() throws {
    let expected = try Story.expected()
    let ids = try #require(expected["greedy_ids"]?.arrayValue).compactMap { $0.intValue.map(Int32.init) }
    let nats = try #require(expected["mean_nll_of_greedy_path"]?.doubleValue)
    let model = try Story.model()
    let pool = try ThreadPool(count: 2)
    defer { pool.stop() }
    let session = try Story.session(model, context: 256, pool: pool)
    var score = TextScore(method: .rolling, contextTokens: 256, strideTokens: 256)
    var divergence = Divergence()
    let tokens = [1] + ids
    let windows = ScoringWindow.plan(.rolling, count: tokens.count, length: 256, stride: 256)
    #expect(
      try TextEvaluator(session: session, reference: nil)
        .judge(windows, of: tokens, score: &score, divergence: &divergence))
    // The reference prints five decimals; float sums through five layers.
    #expect(abs(try #require(score.likelihood.estimate).value - nats) < 1e-4)
    #expect(score.likelihood.count == ids.count)
  }

  @Test(arguments: WindowMethod.allCases)
  func `a window judges each token as one pass over the window would`(method: WindowMethod) throws {
    let text = "Once upon a time, there was a little girl named Lily. She loved to play outside in the park."
    let result = try evaluate(
      EvaluationRequest(
        text: text, method: method, contextTokens: 16, strideTokens: 6, keyValueFormat: .f32, threads: 2))
    let model = try Story.model()
    let pool = try ThreadPool(count: 2)
    defer { pool.stop() }
    let session = try Story.session(model, context: 16, pool: pool)
    let tokens = model.tokenizer.encode(text)
    var sum = 0.0
    var count = 0
    for window in ScoringWindow.plan(method, count: tokens.count, length: 16, stride: 6) {
      for target in window.targets {
        session.truncate()
        var inputs = Array(tokens[window.inputs.lowerBound..<target])
        if method == .halves { inputs[0] = 1 }
        let logits = try session.logits(after: inputs).map { Double($0) }
        sum += log(logits.map(exp).reduce(0, +)) - logits[Int(tokens[target])]
        count += 1
      }
    }
    let score = try #require(result.text)
    #expect(score.likelihood.count == count)
    // The same float arithmetic but for tokens that run alone or together: sums of up to 172 terms.
    #expect(abs(score.likelihood.sum - sum) / Double(count) < 1e-3)
    #expect((score.extent == nil) == (method == .halves))
  }

  @Test func `a model is at no distance from itself`() throws {
    let result = try evaluate(
      EvaluationRequest(text: "Tom had a red ball. He lost it.", contextTokens: 8, strideTokens: 3, threads: 2),
      reference: Story.model())
    let divergence = try #require(result.divergence)
    #expect(divergence.tokens == result.text?.likelihood.count)
    #expect(divergence.maximum == 0)
    #expect(divergence.topAgreement == Estimate(1, standardError: 0))
    #expect(divergence.lossIncrease == Estimate(0, standardError: 0))
  }

  @Test func `choices are judged by their own tokens behind the shared context`() throws {
    let model = try Story.model()
    let pool = try ThreadPool(count: 1)
    defer { pool.stop() }
    let session = try Story.session(model, context: 64, pool: pool)
    var evaluator = ChoiceEvaluator(session: session, tokenizer: model.tokenizer, contextTokens: 64)
    let texts = [("Once upon a", " time"), ("Once upon a", " dog ran"), ("Once upon a ", "time"), ("", "Once")]
    for (context, continuation) in texts {
      let found = try evaluator.logLikelihood(.init(context: context, continuation: continuation, bytes: 1))
      let other = try Story.session(model, context: 64, pool: pool)
      let whole = model.tokenizer.encode(context + continuation)
      let first = max(1, model.tokenizer.encode(context.hasSuffix(" ") ? String(context.dropLast()) : context).count)
      var expected = 0.0
      for place in first..<whole.count {
        other.truncate()
        let logits = try other.logits(after: Array(whole[..<place])).map { Double($0) }
        expected += logits[Int(whole[place])] - log(logits.map(exp).reduce(0, +))
      }
      #expect(abs(found - expected) < 1e-3, "\(context)|\(continuation)")
    }
  }

  @Test func `an interrupted evaluation keeps what it judged, and none at all is said`() throws {
    let text = String(repeating: "Tom had a red ball. ", count: 20)
    let request = EvaluationRequest(text: text, contextTokens: 16, strideTokens: 8, threads: 1)
    let stop = Stop(after: 3)
    let result = try evaluate(request, isCancelled: { stop.isAsked })
    #expect(!result.isComplete)
    #expect(result.text?.extent == nil)
    #expect(try #require(result.text?.likelihood.count) > 0)
    let atOnce = Stop(after: 0)
    #expect(throws: EvaluationError.interrupted) { try evaluate(request, isCancelled: { atOnce.isAsked }) }
  }

  @Test func `two models that do not fit together are refused with both figures`() throws {
    let request = EvaluationRequest(text: "Tom had a ball.", contextTokens: 16, strideTokens: 8, threads: 1)
    #expect {
      try evaluate(request, reference: Story.model(), available: .mebibytes(1))
    } throws: { error in
      guard case EvaluationError.bothDoNotFit(_, let needed, _, let other, let usable, _) = error else { return false }
      return needed == other && needed > .mebibytes(1) && usable == .mebibytes(1)
    }
  }

  @Test func `a text too short and a stride too long are refused`() throws {
    #expect(throws: EvaluationError.textTooShort(tokens: 6, needed: 16)) {
      try evaluate(EvaluationRequest(text: "Tom ran.", method: .halves, contextTokens: 16, threads: 1))
    }
    #expect(throws: EvaluationError.strideTooLong(stride: 16, context: 16)) {
      try evaluate(EvaluationRequest(text: "Tom ran.", contextTokens: 16, strideTokens: 16, threads: 1))
    }
  }
}
