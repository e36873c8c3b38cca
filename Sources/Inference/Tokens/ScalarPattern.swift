// SPDX-License-Identifier: Apache-2.0

/// A pattern over Unicode scalars, tried at one position.
struct ScalarPattern: Sendable {
  /// The end of the match that starts at a position, within a limit; nil for none.
  let match: @Sendable (_ scalars: [Unicode.Scalar], _ start: Int, _ limit: Int) -> Int?
  /// Where to try next after a failure: further than one step where the failure tells of the places between, too.
  var afterFailure: @Sendable (_ scalars: [Unicode.Scalar], _ start: Int, _ limit: Int) -> Int = { _, start, _ in
    start + 1
  }

  /// One or more scalars of a class, at most so many.
  static func runs(of scalarClass: ScalarClass, most: Int = .max) -> ScalarPattern {
    ScalarPattern { scalars, start, limit in
      let end = Self.run(scalars, start, limit, most: most) { scalarClass.contains($0) }
      return end > start ? end : nil
    }
  }

  /// A run of a class, with one white space in front of it if there is any: `\s?X+`.
  static func spaced(_ scalarClass: ScalarClass) -> ScalarPattern {
    ScalarPattern { scalars, start, limit in
      let hasSpace = ScalarClass.space.contains(scalars[start])
      let first = hasSpace ? start + 1 : start
      let end = Self.run(scalars, first, limit) { scalarClass.contains($0) }
      if end > first { return end }
      // White space of the class itself.
      let plain = Self.run(scalars, start, limit) { scalarClass.contains($0) }
      return plain > start ? plain : nil
    }
  }

  /// `[0-9][0-9][0-9]`
  static let threeDigits = ScalarPattern { scalars, start, limit in
    guard start + 3 <= limit, scalars[start..<start + 3].allSatisfy({ ("0"..."9").contains($0) }) else { return nil }
    return start + 3
  }

  /// `\s+$`: white space that does not reach the end does so from none of its places.
  static let trailingSpace = ScalarPattern(
    match: { scalars, start, limit in
      let end = run(scalars, start, limit) { ScalarClass.space.contains($0) }
      return end == limit && end > start ? end : nil
    },
    afterFailure: { scalars, start, limit in
      max(start + 1, run(scalars, start, limit) { ScalarClass.space.contains($0) })
    })

  /// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
  static let gpt2 = ScalarPattern { scalars, start, limit in
    if let end = contraction(scalars, start, limit, ignoresCase: false) { return end }
    let first = scalars[start] == " " && start + 1 < limit ? start + 1 : start
    for scalarClass in [ScalarClass.letter, .number, .symbol] {
      let end = run(scalars, first, limit) { scalarClass.contains($0) }
      if end > first { return end }
    }
    return space(scalars, start, limit)
  }

  /// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,digits}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|`
  /// `\s+(?!\S)|\s+`
  static func llama3(digits: Int) -> ScalarPattern {
    ScalarPattern { scalars, start, limit in
      if let end = contraction(scalars, start, limit, ignoresCase: true) { return end }
      let scalar = scalars[start]
      let isPlain = !ScalarClass.letter.contains(scalar) && !ScalarClass.number.contains(scalar)
      let letters = isPlain && !ScalarClass.lineEnd.contains(scalar) ? start + 1 : start
      let end = run(scalars, letters, limit) { ScalarClass.letter.contains($0) }
      if end > letters { return end }
      let number = run(scalars, start, limit, most: digits) { ScalarClass.number.contains($0) }
      if number > start { return number }
      let first = scalar == " " && start + 1 < limit ? start + 1 : start
      let symbols = run(scalars, first, limit) { ScalarClass.symbol.contains($0) }
      if symbols > first { return run(scalars, symbols, limit) { ScalarClass.lineEnd.contains($0) } }
      return lines(scalars, start, limit) ?? space(scalars, start, limit)
    }
  }

  private static func run(
    _ scalars: [Unicode.Scalar], _ start: Int, _ limit: Int, most: Int = .max, _ isMember: (Unicode.Scalar) -> Bool
  ) -> Int {
    var end = start
    while end < limit, end - start < most, isMember(scalars[end]) { end += 1 }
    return end
  }

  /// `\s*[\r\n]+`: a run of white space up to its last line end.
  private static func lines(_ scalars: [Unicode.Scalar], _ start: Int, _ limit: Int) -> Int? {
    let end = run(scalars, start, limit) { ScalarClass.space.contains($0) }
    return scalars[start..<end].lastIndex { ScalarClass.lineEnd.contains($0) }.map { $0 + 1 }
  }

  /// `\s+(?!\S)|\s+`: a run of white space, but its last one stays for the word behind it.
  private static func space(_ scalars: [Unicode.Scalar], _ start: Int, _ limit: Int) -> Int? {
    let end = run(scalars, start, limit) { ScalarClass.space.contains($0) }
    guard end > start else { return nil }
    return end == limit || end == start + 1 ? end : end - 1
  }

  private static func contraction(
    _ scalars: [Unicode.Scalar], _ start: Int, _ limit: Int, ignoresCase: Bool
  ) -> Int? {
    guard scalars[start] == "'", start + 1 < limit else { return nil }
    func letter(_ index: Int) -> Unicode.Scalar? {
      guard index < limit else { return nil }
      let value = scalars[index].value
      return ignoresCase && (0x41...0x5A).contains(value) ? Unicode.Scalar(value | 0x20) : scalars[index]
    }
    guard let first = letter(start + 1) else { return nil }
    if ["s", "t", "m", "d"].contains(first) { return start + 2 }
    let second = letter(start + 2)
    let isPair = (first == "r" || first == "v") && second == "e" || first == "l" && second == "l"
    return isPair ? start + 3 : nil
  }
}
