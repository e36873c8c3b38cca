// SPDX-License-Identifier: Apache-2.0
import Evidence
import JSONText
import Testing

@Suite struct StudyFindingsTests {
  private static func entry(
    _ variant: String, perplexity: Double?, seed: UInt64? = nil, hasTeacher: Bool = false
  ) -> Study.Entry {
    var entry = Study.Entry(
      label: "\(variant) \(seed ?? 0) \(hasTeacher)", variant: variant, file: variant,
      training: seed.map { Study.Training(seed: $0, hasTeacher: hasTeacher, record: ["steps": 3]) })
    entry.evaluation = perplexity.map { ["text": ["perplexity": ["value": .number($0), "standardError": 1]]] }
    return entry
  }

  private static func study(_ entries: [Study.Entry]) -> Study {
    Study(model: "m", machine: "h", date: "d", settings: ["limit": 1], entries: entries)
  }

  @Test func `what training wins back is told against the reference and against its control`() throws {
    var entries = [
      Self.entry("original", perplexity: 40), Self.entry("depth-2", perplexity: 60),
      Self.entry("depth-2+awq4-g128", perplexity: 70), Self.entry("depth-2+lora-16-merged", perplexity: 50, seed: 1),
      Self.entry("depth-2+lora-16-merged+awq4-g128", perplexity: 52, seed: 1),
    ]
    let recovery = try #require(Self.study(entries).recovery)
    #expect(recovery == Recovery(reference: 40, cut: 60, recovered: 50))
    #expect(recovery.share == 0.5 && recovery.shareOfControl == nil)
    entries.append(Self.entry("lora-16-merged", perplexity: 35, seed: 1))
    #expect(Self.study(entries).recovery?.shareOfControl == 0.4)
    // Where removing cost nothing there is nothing to win back.
    #expect(Recovery(reference: 40, cut: 39, recovered: 38).share == nil)
    entries[1].evaluation = nil
    #expect(Self.study(entries).recovery == nil)
  }

  @Test func `students are compared seed by seed, and only where both were judged`() throws {
    let entries = [
      Self.entry("student:half", perplexity: 90, seed: 1, hasTeacher: true),
      Self.entry("student:half", perplexity: 100, seed: 1),
      Self.entry("student:half", perplexity: 110, seed: 2, hasTeacher: true),
      Self.entry("student:half", perplexity: 108, seed: 2), Self.entry("student:half", perplexity: 80, seed: 3),
      Self.entry("student:half", perplexity: nil, seed: 3, hasTeacher: true),
    ]
    let students = try #require(Self.study(entries).students)
    #expect(students.pairs == [.init(seed: 1, alone: 100, taught: 90), .init(seed: 2, alone: 108, taught: 110)])
    #expect(students.wins == 1)
    #expect(try #require(students.alone).value == 104)
    // Two samples lie one standard error from their mean: ±4 for the students alone.
    #expect(abs(try #require(students.alone?.standardError) - 4) < 1e-9)
    #expect(Self.study(Array(entries.suffix(2))).students == nil)
  }

  @Test func `a study that is written and read again is equal`() throws {
    var study = Self.study([
      Self.entry("original", perplexity: 40), Self.entry("student:half", perplexity: nil, seed: 7, hasTeacher: true),
    ])
    study.note = "a note"
    study.entries[1].adapter = "x-adapter"
    study.entries[1].estimatedEnergy = ["value": 0.5]
    study.entries[1].refusal = "no reason"
    // Whole numbers come back as integers; their text is the same.
    let text = JSON.object(study.members).text()
    let again = try #require(Study(json: try JSON(parsing: text)))
    #expect(JSON.object(again.members).text() == text)
  }
}

@Suite struct TextProbeTests {
  /// Words that are all different, with marks around some.
  private let text = (0..<400).map { index -> String in
    let digits = String(index, radix: 26).unicodeScalars.map { scalar -> Character in
      let place = scalar.properties.numericType == nil ? Int(scalar.value) - 97 + 10 : Int(scalar.value) - 48
      return Character(UnicodeScalar(UInt8(97 + place)))
    }
    return "word" + String(digits) + (index % 7 == 0 ? "," : "")
  }.joined(separator: " ")

  @Test func `the next word stands against three others of the passage before it`() throws {
    let questions = TextProbes.questions(text, count: 10, contextTokens: 256).filter { $0.task == TextProbes.cloze }
    #expect(questions.count == 10)
    let words = text.split(separator: " ").map(String.init)
    for question in questions {
      let right = try #require(question.truth.place)
      let answers = question.choices.map { String($0.continuation.dropFirst()) }
      #expect(Set(answers).count == 4)
      let passage = question.choices[0].context.split(separator: " ").map(String.init)
      let last = try #require(passage.last.flatMap(words.firstIndex))
      #expect(words[last + 1].filter(\.isLetter) == answers[right])
      for (place, answer) in answers.enumerated() where place != right {
        #expect(passage.contains { $0.filter(\.isLetter) == answer })
      }
    }
    #expect(Set(questions.map(\.truth.place)).count > 1)
  }

  @Test func `a text without four long words has no such question`() {
    let short = String(repeating: "a bee sat on me ", count: 40)
    #expect(!TextProbes.questions(short, count: 10, contextTokens: 256).contains { $0.task == TextProbes.cloze })
    #expect(TextProbes.questions(text, count: 0, contextTokens: 256).isEmpty)
  }
}

extension ChoiceQuestion.Truth {
  fileprivate var place: Int? { if case .one(let place) = self { place } else { nil } }
}
