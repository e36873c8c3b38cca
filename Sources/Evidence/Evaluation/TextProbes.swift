// SPDX-License-Identifier: Apache-2.0

/// Questions made of a text itself, for what perplexity hides: whether a model still finds what it read long before, and
/// still knows how a passage goes on and which word comes next.
package enum TextProbes {
  /// The names under which they are scored.
  package static let recall = "long context (probe)"
  package static let continuation = "continuation (probe)"
  package static let cloze = "next word (probe)"

  private static let promptWords = 32
  private static let answerWords = 8
  private static let choices = 4
  /// Words that take about so many tokens: a small vocabulary splits words in two.
  private static let tokensPerWord = 2

  /// Questions of all kinds, the same for the same text; fewer than `count` of each from a short one.
  ///
  /// - Parameter contextTokens: what a question and its answer may take.
  package static func questions(_ text: String, count: Int, contextTokens: Int) -> [ChoiceQuestion] {
    let words = text.split(whereSeparator: \.isWhitespace).map(String.init)
    let distance = contextTokens / tokensPerWord - promptWords - 3 * answerWords
    let continuations = questions(words, count, span: promptWords + answerWords) { start in
      (start, start + promptWords, words[start..<start + promptWords].joined(separator: " "))
    }.map { question(continuation, words, $0) }
    let clozes = self.clozes(words, count)
    guard distance >= 2 * answerWords else { return continuations + clozes }
    // A passage, other words, and the passage's beginning again.
    let recalls = questions(words, count, span: 2 * answerWords + distance) { start in
      let passage = words[start..<start + 2 * answerWords]
      let between = words[start + 2 * answerWords..<start + 2 * answerWords + distance]
      let cue = passage.prefix(answerWords)
      return (start, start + answerWords, (passage + between + cue).joined(separator: " "))
    }.map { question(recall, words, $0) }
    return continuations + clozes + recalls
  }

  /// Which of four words comes next; the others stand in the passage itself, so that all of them are about it.
  ///
  /// - Source: the Children's Book Test, arXiv 1511.02301, whose candidates come from the context too.
  private static func clozes(_ words: [String], _ count: Int) -> [ChoiceQuestion] {
    let places = questions(words, .max, span: promptWords + 1) { ($0, $0 + promptWords, "") }
    let all = places.compactMap { place -> ChoiceQuestion? in
      let passage = words[place.start..<place.answer]
      let answer = words[place.answer]
      var seen: Set<String> = [plain(answer)]
      let others = passage.reversed().filter { isContent($0) && seen.insert(plain($0)).inserted }.prefix(choices - 1)
      guard isContent(answer), others.count == choices - 1 else { return nil }
      var answers = others.map(plain)
      let right = place.start % choices
      answers.insert(plain(answer), at: right)
      let context = passage.joined(separator: " ")
      return ChoiceQuestion(
        task: cloze,
        choices: answers.map { .init(context: context, continuation: " " + $0, bytes: $0.utf8.count) },
        truth: .one(right))
    }
    // Spread evenly over the text.
    guard count > 0, all.count > count else { return count > 0 ? all : [] }
    return (0..<count).map { all[$0 * all.count / count] }
  }

  /// A word without what is written around it.
  private static func plain(_ word: String) -> String { String(word.filter(\.isLetter)) }
  private static let shortestContentWord = 5
  private static func isContent(_ word: String) -> Bool { plain(word).count >= shortestContentWord }

  private typealias Place = (start: Int, answer: Int, context: String)

  /// Places spread evenly over the text.
  private static func questions(
    _ words: [String], _ count: Int, span: Int, _ place: (Int) -> Place
  ) -> [Place] {
    let room = words.count - span
    guard room > 0, count > 0 else { return [] }
    let step = max(1, room / count)
    return stride(from: 0, to: room, by: step).prefix(count).map(place)
  }

  /// The right answer and as many words from elsewhere in the text.
  private static func question(_ task: String, _ words: [String], _ place: Place) -> ChoiceQuestion {
    let last = words.count - answerWords
    let others = (1..<choices).map { (place.answer + $0 * words.count / choices) % max(1, last) }
    let right = place.start % choices
    var starts = others
    starts.insert(place.answer, at: right)
    let answers = starts.map { words[$0..<min($0 + answerWords, words.count)].joined(separator: " ") }
    return ChoiceQuestion(
      task: task,
      choices: answers.map {
        ChoiceQuestion.Choice(context: place.context, continuation: " " + $0, bytes: $0.utf8.count)
      }, truth: .one(right))
  }
}
