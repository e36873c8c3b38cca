// SPDX-License-Identifier: Apache-2.0
import Evidence
import JSONText
import Testing

@Suite struct LikelihoodTests {
  @Test func `a mean and its standard error are those of the textbook`() throws {
    let estimate = try #require(RunningMean([2, 4, 4, 4, 5, 5, 7, 9]).estimate)
    // Σ (x − 5)² = 32 over 7, over 8 samples.
    #expect(abs(estimate.value - 5) < 1e-12)
    #expect(abs(try #require(estimate.standardError) - (32.0 / 7 / 8).squareRoot()) < 1e-12)
    #expect(RunningMean([3]).estimate == Estimate(3))
    #expect(RunningMean().estimate == nil)
  }

  @Test func `a share of ones has the standard error that the harness gives it`() throws {
    let estimate = try #require(RunningMean([1, 1, 0, 1, 0]).estimate)
    #expect(abs(try #require(estimate.standardError) - (0.6 * 0.4 / 4).squareRoot()) < 1e-12)
  }

  @Test func `a text of equally likely bytes has eight bits per byte`() throws {
    var score = TextScore(method: .rolling, contextTokens: 8, strideTokens: 8)
    for _ in 0..<6 { score.likelihood.add(256.0.logarithm) }
    score.extent = TextExtent(bytes: 6, words: 2)
    #expect(abs(try #require(score.perplexity).value - 256) < 1e-9)
    #expect(abs(try #require(score.bytePerplexity) - 256) < 1e-9)
    #expect(abs(try #require(score.bitsPerByte) - 8) < 1e-12)
    #expect(abs(try #require(score.wordPerplexity) - 256.0 * 256 * 256) < 1e-5)
  }

  @Test(arguments: [("", 1), ("one", 1), ("one two", 2), ("one \n\t two", 2), (" one ", 3), ("a\u{1C}b\u{A0}c", 3)])
  func `words are the pieces between runs of white space`(text: String, words: Int) {
    #expect(TextExtent(of: text).words == words)
    #expect(TextExtent(of: text).bytes == text.utf8.count)
  }
}

extension Double {
  fileprivate var logarithm: Double { self == 256 ? 8 * 0.693_147_180_559_945_309_4 : .nan }
}

@Suite struct WindowTests {
  @Test(arguments: [2, 3, 9, 10, 11, 29, 100], [(4, 1), (4, 3), (10, 5), (64, 32)])
  func `strided and rolling windows judge every token but the first exactly once, from what stands before it`(
    count: Int, shape: (length: Int, stride: Int)
  ) {
    for method in [WindowMethod.strided, .rolling] {
      let windows = ScoringWindow.plan(method, count: count, length: shape.length, stride: shape.stride)
      #expect(windows.flatMap { Array($0.targets) } == Array(1..<count), "\(method)")
      for window in windows {
        #expect(window.inputs.count <= shape.length)
        #expect(window.inputs.upperBound == window.targets.upperBound - 1)
        #expect(window.inputs.lowerBound < window.targets.lowerBound)
      }
    }
  }

  @Test func `strided windows are those of the published recipe`() {
    // max_length 4, stride 2, ten tokens: begin 0, 2, 4, 6.
    #expect(
      ScoringWindow.plan(.strided, count: 10, length: 4, stride: 2) == [
        .init(inputs: 0..<3, targets: 1..<4), .init(inputs: 2..<5, targets: 4..<6),
        .init(inputs: 4..<7, targets: 6..<8), .init(inputs: 6..<9, targets: 8..<10),
      ])
  }

  @Test func `rolling windows are those of the harness: the last one reaches back for a full context`() {
    // A prefix and ten tokens, at most four inputs: targets 1-4, 5-8, 9-10.
    #expect(
      ScoringWindow.plan(.rolling, count: 11, length: 4, stride: 4) == [
        .init(inputs: 0..<4, targets: 1..<5), .init(inputs: 4..<8, targets: 5..<9),
        .init(inputs: 6..<10, targets: 9..<11),
      ])
  }

  @Test func `halves judge the second half of each whole window, as llama.cpp does`() {
    #expect(
      ScoringWindow.plan(.halves, count: 19, length: 8, stride: 8) == [
        .init(inputs: 0..<7, targets: 5..<8), .init(inputs: 8..<15, targets: 13..<16),
      ])
    #expect(ScoringWindow.plan(.halves, count: 7, length: 8, stride: 8) == [])
  }

  @Test func `a sequence without a second token has nothing to judge`() {
    for method in WindowMethod.allCases {
      #expect(ScoringWindow.plan(method, count: 1, length: 8, stride: 4).isEmpty)
    }
  }
}

@Suite struct DivergenceTests {
  @Test func `percentiles lie between neighbours in proportion`() throws {
    var divergence = Divergence()
    for value in [0.4, 0.1, 0.3, 0.0, 0.2] {
      divergence.add(value, agrees: value < 0.25, nats: 1 + value, reference: 1)
    }
    let values = try #require(divergence.percentiles([0, 50, 90, 100]))
    for (value, expected) in zip(values, [0, 0.2, 0.36, 0.4]) { #expect(abs(value - expected) < 1e-12) }
    #expect(abs(try #require(divergence.mean).value - 0.2) < 1e-12)
    #expect(abs(try #require(divergence.topAgreement).value - 0.6) < 1e-12)
    #expect(abs(try #require(divergence.lossIncrease).value - 0.2) < 1e-12)
    #expect(divergence.isWithinError == false)
  }

  @Test func `a difference inside twice its standard error is called so`() {
    var divergence = Divergence()
    for difference in [0.1, -0.1, 0.12, -0.09] {
      divergence.add(0.01, agrees: true, nats: 2 + difference, reference: 2)
    }
    #expect(divergence.isWithinError == true)
  }

  @Test func `a rounding below zero counts as zero, and nothing has no percentiles`() {
    var divergence = Divergence()
    #expect(divergence.percentiles([50]) == nil)
    divergence.add(-1e-17, agrees: true, nats: 1, reference: 1)
    #expect(divergence.maximum == 0)
  }
}

@Suite struct ChoiceTests {
  private func question(_ text: String) throws -> ChoiceQuestion {
    try ChoiceQuestion(json: JSON(parsing: Array(text.utf8)))
  }

  @Test func `a Winogrande row puts each option into the blank and judges the rest`() throws {
    let question = try question(
      #"{"sentence": "Ann thanked Eve because _ had helped. ", "option1": "Ann", "option2": "Eve", "answer": "2"}"#)
    #expect(
      question.choices.map(\.context) == ["Ann thanked Eve because Ann", "Ann thanked Eve because Eve"])
    #expect(question.choices.map(\.continuation) == [" had helped.", " had helped."])
    #expect(question.truth == .one(1))
    #expect(!question.normalises)
  }

  @Test func `a HellaSwag row loses its marks as the harness takes them away`() throws {
    let question = try question(
      #"""
      {"activity_label": "Baking", "ctx_a": "A man [header] kneads.", "ctx_b": "then HE", "label": "1",
       "endings": ["rests.", "bakes [step] it."]}
      """#)
    #expect(question.choices.map(\.context) == Array(repeating: "Baking: A man kneads. Then he", count: 2))
    #expect(question.choices.map(\.continuation) == [" rests.", " bakes it."])
    #expect(question.truth == .one(1))
  }

  @Test func `an ARC row is a question with an answer to come`() throws {
    let question = try question(
      #"{"question": "What is wet?", "choices": {"text": ["Sand", "Water"], "label": ["A", "B"]}, "answerKey": "B"}"#)
    #expect(question.choices[0].context == "Question: What is wet?\nAnswer:")
    #expect(question.choices.map(\.continuation) == [" Sand", " Water"])
    #expect(question.choices.map(\.bytes) == [4, 5])
    #expect(question.truth == .one(1))
  }

  @Test func `a TruthfulQA row scores the probability of its true answers`() throws {
    let question = try question(
      #"{"question": "Why?", "mc2_targets": {"choices": ["a", "b", "c"], "labels": [1, 0, 1]}}"#)
    #expect(question.truth == .several([true, false, true]))
    var score = ChoiceScore(task: question.task)
    // e^0 : e^0 : e^0 → two thirds.
    score.add(question, logLikelihoods: [-7, -7, -7])
    #expect(abs(try #require(score.acc).value - 2.0 / 3) < 1e-12)
    #expect(score.accNorm == nil)
  }

  @Test func `a logged sample of the harness counts with its own texts`() throws {
    let question = try question(
      #"""
      {"doc": {"question": "Q", "choices": ["x", "yy"], "answer": 1}, "target": "1",
       "arguments": {"gen_args_0": {"arg_0": "ctx", "arg_1": " x"}, "gen_args_1": {"arg_0": "ctx", "arg_1": " yy"}}}
      """#)
    #expect(question.choices.map(\.context) == ["ctx", "ctx"])
    #expect(question.choices.map(\.continuation) == [" x", " yy"])
  }

  @Test func `acc takes the likeliest choice, acc_norm the likeliest per byte`() throws {
    let question = try question(#"{"question": "Q", "choices": ["ab", "abcdefgh"], "answer": 1}"#)
    var score = ChoiceScore(task: "choices")
    score.add(question, logLikelihoods: [-2, -4])  // per byte −1 and −0.5
    score.add(question, logLikelihoods: [-2, -1])
    #expect(score.acc?.value == 0.5)
    #expect(score.accNorm?.value == 1)
    #expect(abs(try #require(score.acc?.standardError) - 0.5) < 1e-12)
  }

  @Test(arguments: [
    (#"{"a": 1}"#, ChoiceFault.unknownForm(keys: ["a"])),
    (#"{"question": "Q", "choices": ["x"], "answer": 0}"#, .badValue(key: "choices", expected: "two or more texts")),
    (
      #"{"question": "Q", "choices": ["x", "y"], "answer": 2}"#,
      .badValue(key: "answer", expected: "a choice from 0 to 1")
    ),
    (#"{"question": "Q", "choices": ["x", "y"]}"#, .badValue(key: "answer", expected: "a choice from 0 to 1")),
    (
      #"{"sentence": "no blank", "option1": "a", "option2": "b", "answer": "1"}"#,
      .badValue(key: "sentence", expected: "a blank '_'")
    ),
  ])
  func `a row that is no question is refused by its key`(text: String, fault: ChoiceFault) throws {
    #expect(throws: fault) { try question(text) }
  }
}
