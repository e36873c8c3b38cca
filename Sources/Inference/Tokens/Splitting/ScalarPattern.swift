// SPDX-License-Identifier: Apache-2.0

/// A regular expression over Unicode scalars, as published tokenizers use them to cut text into words.
///
/// What it knows is what those use: alternatives, groups, classes with `\p{…}`, `\s`, `\d`, `\w` and intersections,
/// `? * + {m,n}` greedy and possessive, look-ahead, `^`, `$`, `\b`, and `(?i:…)`. The leftmost alternative that fits
/// wins, as in the engines that those expressions were written for.
struct ScalarPattern: Sendable, Equatable {
  /// One step of the compiled expression.
  enum Step: Sendable, Equatable {
    /// One scalar of the class.
    case one(Int32)
    /// As many as there are of the class, then fewer on demand, unless it keeps what it has.
    case run(Int32, least: Int32, most: Int32, keeps: Bool)
    /// Go on here, and there if that fails.
    case fork(Int32)
    /// Go on there, and here if that fails.
    case jump(Int32)
    /// Whether the steps up to the next place fit, taking nothing.
    case look(next: Int32, isNegative: Bool)
    case atStart, atEnd, atBoundary, accept
  }

  let steps: [Step]
  let classes: [ScalarClass]
  /// The class of the endless greedy run that the whole expression begins with, if it does.
  ///
  /// Where such an expression fails at one place of a run of the class, it fails at the run's later places, too: what
  /// fits behind some of the run's scalars would have been found from the earlier place with more of them.
  let leadingRun: Int32?

  /// - Throws: `ScalarPatternError` for anything else.
  init(_ expression: String) throws(ScalarPatternError) {
    var parser = ScalarPatternParser(expression)
    var compiler = ScalarPatternCompiler()
    try compiler.append(try parser.parsed())
    compiler.steps.append(.accept)
    steps = compiler.steps
    classes = compiler.classes
    if case .run(let index, let least, .max, false) = steps[0], least <= 1 {
      leadingRun = index
    } else {
      leadingRun = nil
    }
  }
}

/// Why an expression is not understood, and at which of its scalars.
enum ScalarPatternError: Error, Equatable {
  case unsupported(String, offset: Int)
  case tooLong
}

/// An expression as a tree.
indirect enum ScalarExpression: Equatable {
  case scalars(ScalarClass)
  case sequence([ScalarExpression])
  case choice([ScalarExpression])
  /// `most` nil: without end.
  case repeated(ScalarExpression, least: Int, most: Int?, keeps: Bool)
  case look(ScalarExpression, isNegative: Bool)
  case start, end, boundary

  /// Whether it fits where there is nothing.
  var canBeEmpty: Bool {
    switch self {
    case .scalars: false
    case .sequence(let parts): parts.allSatisfy(\.canBeEmpty)
    case .choice(let parts): parts.contains(where: \.canBeEmpty)
    case .repeated(let part, let least, _, _): least == 0 || part.canBeEmpty
    case .look, .start, .end, .boundary: true
    }
  }
}

/// Makes steps of a tree.
struct ScalarPatternCompiler {
  /// The longest published expression has a few hundred.
  static let stepLimit = 20_000

  var steps: [ScalarPattern.Step] = []
  var classes: [ScalarClass] = []

  private var next: Int32 { Int32(steps.count) }

  mutating func append(_ expression: ScalarExpression) throws(ScalarPatternError) {
    guard steps.count < Self.stepLimit else { throw .tooLong }
    switch expression {
    case .scalars(let scalars): steps.append(.one(index(of: scalars)))
    case .sequence(let parts): for part in parts { try append(part) }
    case .choice(let parts): try append(choice: parts)
    case .repeated(.scalars(let scalars), let least, let most, let keeps):
      steps.append(
        .run(
          index(of: scalars), least: Int32(clamping: least), most: Int32(clamping: most ?? Int(Int32.max)), keeps: keeps
        ))
    case .repeated(let part, let least, let most, _): try append(part, least: least, most: most)
    case .look(let part, let isNegative):
      let place = steps.count
      steps.append(.accept)
      try append(part)
      steps.append(.accept)
      steps[place] = .look(next: next, isNegative: isNegative)
    case .start: steps.append(.atStart)
    case .end: steps.append(.atEnd)
    case .boundary: steps.append(.atBoundary)
    }
  }

  private mutating func append(choice parts: [ScalarExpression]) throws(ScalarPatternError) {
    var ends: [Int] = []
    for part in parts.dropLast() {
      let fork = steps.count
      steps.append(.accept)
      try append(part)
      ends.append(steps.count)
      steps.append(.accept)
      steps[fork] = .fork(next)
    }
    if let last = parts.last { try append(last) }
    for end in ends { steps[end] = .jump(next) }
  }

  private mutating func append(_ part: ScalarExpression, least: Int, most: Int?) throws(ScalarPatternError) {
    for _ in 0..<least { try append(part) }
    guard let most else {
      let fork = steps.count
      steps.append(.accept)
      try append(part)
      steps.append(.jump(Int32(fork)))
      steps[fork] = .fork(next)
      return
    }
    var forks: [Int] = []
    for _ in least..<max(least, most) {
      forks.append(steps.count)
      steps.append(.accept)
      try append(part)
    }
    for fork in forks { steps[fork] = .fork(next) }
  }

  private mutating func index(of scalars: ScalarClass) -> Int32 {
    if let known = classes.firstIndex(of: scalars) { return Int32(known) }
    classes.append(scalars)
    return Int32(classes.count - 1)
  }
}
