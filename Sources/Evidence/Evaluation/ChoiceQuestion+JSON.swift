// SPDX-License-Identifier: Apache-2.0
package import JSONText

/// Why a line of a task file is no question.
package enum ChoiceFault: Error, Equatable, Sendable {
  /// None of the known sets of keys is there.
  case unknownForm(keys: [String])
  case badValue(key: String, expected: String)
}

extension ChoiceQuestion {
  /// Reads a row of a data set as its publisher writes it, or a sample as the lm-evaluation-harness logs it
  /// (`--log_samples`: `doc` with the row and `arguments` with the very texts, which then count).
  ///
  /// Known rows: Winogrande (`sentence`, `option1`, `option2`, `answer`), HellaSwag (`ctx_a`, `ctx_b`, `endings`, `label`),
  /// ARC (`choices` {`text`, `label`}, `answerKey`), TruthfulQA (`mc2_targets`), and plain ones of `question`, `choices` and
  /// `answer` (the place from 0, or the text).
  package init(json: JSON) throws(ChoiceFault) {
    let row = json["doc"] ?? json
    self = try Self.question(row)
    guard let logged = json["arguments"], let pairs = Self.pairs(logged) else { return }
    guard pairs.count == choices.count else {
      throw .badValue(key: "arguments", expected: "\(choices.count) pairs of a context and a continuation")
    }
    for (index, pair) in pairs.enumerated() {
      choices[index].context = pair.0
      choices[index].continuation = pair.1
    }
  }

  private static func question(_ row: JSON) throws(ChoiceFault) -> ChoiceQuestion {
    if row["sentence"] != nil, row["option1"] != nil { return try winogrande(row) }
    if row["endings"] != nil { return try hellaswag(row) }
    if row["mc2_targets"] != nil { return try truthful(row) }
    if row["choices"]?["text"] != nil { return try arc(row) }
    if row["choices"]?.arrayValue != nil { return try plain(row) }
    throw .unknownForm(keys: (row.members ?? []).prefix(8).map(\.key))
  }

  /// The texts of both ways in which the harness has logged requests.
  private static func pairs(_ arguments: JSON) -> [(String, String)]? {
    let list = arguments.arrayValue ?? arguments.members?.map(\.value) ?? []
    let pairs = list.map { entry -> (String, String)? in
      let parts = entry.arrayValue ?? entry.members?.map(\.value) ?? []
      guard parts.count >= 2, let context = parts[0].stringValue, let rest = parts[1].stringValue else { return nil }
      return (context, rest)
    }
    return pairs.isEmpty || pairs.contains { $0 == nil } ? nil : pairs.compactMap { $0 }
  }

  private static func text(_ row: JSON, _ key: String) throws(ChoiceFault) -> String {
    guard let text = row[key]?.stringValue else { throw .badValue(key: key, expected: "a text") }
    return text
  }

  private static func texts(_ json: JSON?, _ key: String) throws(ChoiceFault) -> [String] {
    let texts = (json?.arrayValue ?? []).compactMap(\.stringValue)
    guard texts.count > 1, texts.count == json?.arrayValue?.count else {
      throw .badValue(key: key, expected: "two or more texts")
    }
    return texts
  }

  private static func choices(_ context: String, _ texts: [String]) -> [Choice] {
    texts.map { Choice(context: context, continuation: " " + $0, bytes: $0.utf8.count) }
  }

  private static func place(_ json: JSON?, _ key: String, of texts: [String], base: Int = 0) throws(ChoiceFault) -> Int
  {
    let number = json?.intValue ?? json?.stringValue.flatMap { Int($0) }
    let place = number.map { $0 - base } ?? texts.firstIndex { $0 == json?.stringValue }
    guard let place, texts.indices.contains(place) else {
      throw .badValue(key: key, expected: "a choice from \(base) to \(texts.count - 1 + base)")
    }
    return place
  }

  private static func plain(_ row: JSON) throws(ChoiceFault) -> ChoiceQuestion {
    let context = try text(row, ["question", "query", "context"].first { row[$0] != nil } ?? "question")
    let texts = try texts(row["choices"], "choices")
    let key = ["answer", "gold", "label"].first { row[$0] != nil } ?? "answer"
    return ChoiceQuestion(
      task: row["task"]?.stringValue ?? "choices", choices: choices(context, texts),
      truth: .one(try place(row[key], key, of: texts)))
  }

  private static func arc(_ row: JSON) throws(ChoiceFault) -> ChoiceQuestion {
    let texts = try texts(row["choices"]?["text"], "choices.text")
    let labels = try Self.texts(row["choices"]?["label"], "choices.label")
    let key = try text(row, "answerKey")
    guard let right = labels.firstIndex(of: key), right < texts.count else {
      throw .badValue(key: "answerKey", expected: "one of \(labels.joined(separator: ", "))")
    }
    let context = "Question: \(try text(row, "question"))\nAnswer:"
    return ChoiceQuestion(task: "arc", choices: choices(context, texts), truth: .one(right))
  }

  private static func winogrande(_ row: JSON) throws(ChoiceFault) -> ChoiceQuestion {
    let sentence = try text(row, "sentence")
    guard let blank = sentence.firstIndex(of: "_") else { throw .badValue(key: "sentence", expected: "a blank '_'") }
    let options = [try text(row, "option1"), try text(row, "option2")]
    let rest = " " + trimmed(String(sentence[sentence.index(after: blank)...]))
    let right = try place(row["answer"], "answer", of: options, base: 1)
    return ChoiceQuestion(
      task: "winogrande",
      choices: options.map { Choice(context: sentence[..<blank] + $0, continuation: rest, bytes: $0.utf8.count) },
      truth: .one(right), normalises: false)
  }

  private static func truthful(_ row: JSON) throws(ChoiceFault) -> ChoiceQuestion {
    let texts = try texts(row["mc2_targets"]?["choices"], "mc2_targets.choices")
    let labels = (row["mc2_targets"]?["labels"]?.arrayValue ?? []).compactMap(\.intValue)
    guard labels.count == texts.count else {
      throw .badValue(key: "mc2_targets.labels", expected: "\(texts.count) of 0 and 1")
    }
    // Without the harness's primer of six answered questions: its logged samples have it.
    let context = "Q: \(try text(row, "question"))\nA:"
    return ChoiceQuestion(
      task: "truthfulqa_mc2", choices: choices(context, texts), truth: .several(labels.map { $0 == 1 }))
  }

  private static func hellaswag(_ row: JSON) throws(ChoiceFault) -> ChoiceQuestion {
    let second = try text(row, "ctx_b")
    let capitalised = second.prefix(1).uppercased() + second.dropFirst().lowercased()
    let context = try "\(text(row, "activity_label")): \(text(row, "ctx_a")) \(capitalised)"
    let endings = try texts(row["endings"], "endings").map(plainText)
    return ChoiceQuestion(
      task: "hellaswag", choices: choices(plainText(context), endings),
      truth: .one(try place(row["label"], "label", of: endings)))
  }

  /// A WikiHow text without its marks, by the rules of the harness.
  private static func plainText(_ text: String) -> String {
    var rest = trimmed(text).replacing(" [title]", with: ". ")[...]
    var result = ""
    while let open = rest.firstIndex(of: "["), let close = rest[open...].firstIndex(of: "]") {
      result += rest[..<open]
      rest = rest[rest.index(after: close)...]
    }
    return (result + rest).replacing("  ", with: " ")
  }

  private static func trimmed(_ text: String) -> String {
    let front = text.drop { $0.isWhitespace }
    return String(front.prefix(front.count - front.reversed().prefix { $0.isWhitespace }.count))
  }
}
