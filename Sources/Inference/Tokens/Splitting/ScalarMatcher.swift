// SPDX-License-Identifier: Apache-2.0

/// Tries a pattern at places of one text.
struct ScalarMatcher {
  /// Where to go on when what was tried fails.
  private struct Choice {
    var step: Int32
    var position: Int
    /// A run may give back scalars down to here; below `position` for runs only.
    var least: Int
  }

  private let steps: UnsafeBufferPointer<ScalarPattern.Step>
  private let classes: UnsafeBufferPointer<ScalarClass>
  private let scalars: UnsafeBufferPointer<ClassifiedScalar>
  private var choices: [Choice] = []
  /// Steps that may still be taken: published expressions need a few per scalar, a hostile one cannot stop the program.
  private var budget: Int

  init(
    _ steps: UnsafeBufferPointer<ScalarPattern.Step>, _ classes: UnsafeBufferPointer<ScalarClass>,
    _ scalars: UnsafeBufferPointer<ClassifiedScalar>
  ) {
    self.steps = steps
    self.classes = classes
    self.scalars = scalars
    budget = 100_000 + 200 * scalars.count
  }

  /// The end of the match that starts at a place of a piece; nil for none.
  mutating func match(at start: Int, in piece: Range<Int>) -> Int? {
    match(from: 0, at: start, in: piece)
  }

  /// The end of the run of a class.
  func run(of index: Int32, from start: Int, to limit: Int) -> Int {
    var end = start
    while end < limit, classes[Int(index)].contains(scalars[end]) { end += 1 }
    return end
  }

  // One flat switch: the interpreter's loop.
  private mutating func match(from first: Int32, at start: Int, in piece: Range<Int>) -> Int? {
    let base = choices.count
    defer { choices.removeLast(choices.count - base) }
    var step = first
    var position = start
    while budget > 0 {
      budget -= 1
      var fits = true
      switch steps[Int(step)] {
      case .accept: return position
      case .one(let index):
        fits = position < piece.upperBound && classes[Int(index)].contains(scalars[position])
        position += 1
      case .run(let index, let least, let most, let keeps):
        let begin = position
        position = run(of: index, from: begin, to: min(piece.upperBound, begin &+ Int(most)))
        fits = position - begin >= Int(least)
        if fits, !keeps, position - begin > Int(least) {
          choices.append(Choice(step: step + 1, position: position - 1, least: begin + Int(least)))
        }
      case .fork(let other):
        choices.append(Choice(step: other, position: position, least: position))
      case .jump(let other): step = other - 1
      case .look(let next, let isNegative):
        fits = (match(from: step + 1, at: position, in: piece) != nil) != isNegative
        step = next - 1
      case .atStart: fits = position == piece.lowerBound
      case .atEnd: fits = position == piece.upperBound
      case .atBoundary: fits = isBoundary(position, in: piece)
      }
      if fits {
        step += 1
      } else {
        guard choices.count > base else { return nil }
        (step, position) = goBack()
      }
    }
    return nil
  }

  /// The newest choice; a run keeps it while it has scalars to give back.
  private mutating func goBack() -> (Int32, Int) {
    let last = choices.count - 1
    let choice = choices[last]
    if choice.position > choice.least { choices[last].position -= 1 } else { choices.removeLast() }
    return (choice.step, choice.position)
  }

  private func isBoundary(_ position: Int, in piece: Range<Int>) -> Bool {
    let before = position > piece.lowerBound && ScalarClass.word.contains(scalars[position - 1])
    let after = position < piece.upperBound && ScalarClass.word.contains(scalars[position])
    return before != after
  }
}
