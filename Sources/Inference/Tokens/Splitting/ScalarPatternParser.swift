// SPDX-License-Identifier: Apache-2.0

/// Reads a regular expression's text.
struct ScalarPatternParser {
  private static let depthLimit = 32
  /// Repetitions of a group are written out.
  private static let countLimit = 256

  private let text: [Unicode.Scalar]
  private var offset = 0
  private var depth = 0
  private var ignoresCase = false

  init(_ expression: String) { text = Array(expression.unicodeScalars) }

  mutating func parsed() throws(ScalarPatternError) -> ScalarExpression {
    let expression = try choice()
    guard offset == text.count else { throw unsupported("')'") }
    return expression
  }

  private func unsupported(_ what: String) -> ScalarPatternError { .unsupported(what, offset: offset) }
  private var next: Unicode.Scalar? { offset < text.count ? text[offset] : nil }

  private mutating func take(_ scalars: String) -> Bool {
    guard text[offset...].starts(with: scalars.unicodeScalars) else { return false }
    offset += scalars.unicodeScalars.count
    return true
  }

  private mutating func choice() throws(ScalarPatternError) -> ScalarExpression {
    depth += 1
    defer { depth -= 1 }
    guard depth <= Self.depthLimit else { throw unsupported("so many groups in each other") }
    var parts = [try sequence()]
    while take("|") { parts.append(try sequence()) }
    return parts.count == 1 ? parts[0] : .choice(parts)
  }

  private mutating func sequence() throws(ScalarPatternError) -> ScalarExpression {
    var parts: [ScalarExpression] = []
    while let scalar = next, scalar != "|", scalar != ")" { parts.append(try quantified(try atom())) }
    return parts.count == 1 ? parts[0] : .sequence(parts)
  }

  private mutating func quantified(_ part: ScalarExpression) throws(ScalarPatternError) -> ScalarExpression {
    guard let (least, most) = try counts() else { return part }
    let keeps = take("+")
    let isSingle = if case .scalars = part { true } else { false }
    guard isSingle || !keeps else { throw unsupported("a group that keeps what it has") }
    if next == "?" { throw unsupported("a repetition that takes as little as it can") }
    guard isSingle || !part.canBeEmpty || most == 1 else { throw unsupported("the repetition of what may be empty") }
    guard isSingle || max(least, most ?? 0) <= Self.countLimit else { throw unsupported("so many repetitions") }
    return .repeated(part, least: least, most: most, keeps: keeps)
  }

  private mutating func counts() throws(ScalarPatternError) -> (least: Int, most: Int?)? {
    if take("?") { return (0, 1) }
    if take("*") { return (0, nil) }
    if take("+") { return (1, nil) }
    guard next == "{", let close = text[offset...].firstIndex(of: "}") else { return nil }
    let inside = text[(offset + 1)..<close].map { String(Character($0)) }.joined()
    let numbers = inside.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
    guard (1...2).contains(numbers.count), let least = numbers[0] ?? (numbers.count == 2 ? 0 : nil), least >= 0,
      least < Int(Int32.max)
    else { return nil }
    let most = numbers.count == 1 ? least : numbers[1]
    guard most ?? least >= least else { throw unsupported("'{\(inside)}'") }
    offset = close + 1
    return (least, most)
  }

  private mutating func atom() throws(ScalarPatternError) -> ScalarExpression {
    if take("(") { return try group() }
    if take("[") { return .scalars(try brackets()) }
    if take(".") { return .scalars(.dot) }
    if take("^") { return .start }
    if take("$") { return .end }
    if take("\\b") { return .boundary }
    guard let scalar = next, scalar != "*", scalar != "+", scalar != "?" else { throw unsupported("a bare quantifier") }
    if scalar == "\\" { return .scalars(try escape()) }
    offset += 1
    return .scalars(literal(scalar))
  }

  private func literal(_ scalar: Unicode.Scalar) -> ScalarClass {
    var values = [scalar.value]
    if ignoresCase {
      for other in [scalar.properties.lowercaseMapping, scalar.properties.uppercaseMapping] {
        let scalars = Array(other.unicodeScalars)
        if scalars.count == 1 { values.append(scalars[0].value) }
      }
    }
    return ScalarClass(ranges: Set(values).sorted().map { $0...$0 })
  }

  private mutating func group() throws(ScalarPatternError) -> ScalarExpression {
    let before = ignoresCase
    defer { ignoresCase = before }
    var wrap: (ScalarExpression) -> ScalarExpression = { $0 }
    if take("?=") {
      wrap = { .look($0, isNegative: false) }
    } else if take("?!") {
      wrap = { .look($0, isNegative: true) }
    } else if take("?i:") {
      ignoresCase = true
    } else if !take("?:"), next == "?" {
      throw unsupported("a group of this kind")
    }
    let inside = try choice()
    guard take(")") else { throw unsupported("a group without end") }
    return wrap(inside)
  }

  /// What stands behind a backslash.
  private mutating func escape() throws(ScalarPatternError) -> ScalarClass {
    offset += 1
    guard let scalar = next else { throw unsupported("a backslash at the end") }
    offset += 1
    switch scalar {
    case "s": return .space
    case "S": return ScalarClass.space.complement
    case "d": return .digit
    case "D": return ScalarClass.digit.complement
    case "w": return .word
    case "W": return ScalarClass.word.complement
    case "n": return literal("\n")
    case "r": return literal("\r")
    case "t": return literal("\t")
    case "f": return literal("\u{0C}")
    case "v": return literal("\u{0B}")
    case "p", "P":
      let property = try self.property()
      return scalar == "p" ? property : property.complement
    case "x", "u": return literal(try hexadecimal(digits: scalar == "x" ? 2 : 4))
    case "a"..."z", "A"..."Z", "0"..."9": throw unsupported("'\\\(scalar)'")
    default: return literal(scalar)
    }
  }

  private mutating func property() throws(ScalarPatternError) -> ScalarClass {
    guard next == "{", let close = text[offset...].firstIndex(of: "}") else {
      throw unsupported("'\\p' without a name")
    }
    let name = text[(offset + 1)..<close].map { String(Character($0)) }.joined()
    let isNegated = name.hasPrefix("^")
    guard let found = ScalarClass(property: isNegated ? String(name.dropFirst()) : name) else {
      throw unsupported("the property '\(name)'")
    }
    offset = close + 1
    return isNegated ? found.complement : found
  }

  private mutating func hexadecimal(digits: Int) throws(ScalarPatternError) -> Unicode.Scalar {
    var range = offset..<min(offset + digits, text.count)
    var end = range.upperBound
    if next == "{", let close = text[offset...].firstIndex(of: "}") {
      range = offset + 1..<close
      end = close + 1
    }
    let spelt = text[range].map { String(Character($0)) }.joined()
    guard let value = UInt32(spelt, radix: 16), let scalar = Unicode.Scalar(value) else {
      throw unsupported("the code '\(spelt)'")
    }
    offset = end
    return scalar
  }

  /// The inside of brackets, up to and with the closing one.
  private mutating func brackets() throws(ScalarPatternError) -> ScalarClass {
    depth += 1
    defer { depth -= 1 }
    guard depth <= Self.depthLimit else { throw unsupported("so many brackets in each other") }
    let isNegated = take("^")
    var parts: [ScalarClass] = []
    var limits: [ScalarClass] = []
    var isFirst = true
    while isFirst || next != "]" {
      guard next != nil else { throw unsupported("brackets without end") }
      isFirst = false
      if take("&&") {
        guard take("[") else { throw unsupported("'&&' without brackets") }
        limits.append(try brackets())
      } else if take("[") {
        parts.append(try brackets())
      } else {
        parts.append(try member())
      }
    }
    offset += 1
    var result = ScalarClass(anyOf: parts)
    for limit in limits { result = result.intersection(limit) }
    return isNegated ? result.complement : result
  }

  /// A scalar, a range of scalars or a class inside brackets.
  private mutating func member() throws(ScalarPatternError) -> ScalarClass {
    let start = offset
    let first = try memberScalar()
    guard let low = first.scalar else { return first.scalars }
    guard next == "-", offset + 1 < text.count, text[offset + 1] != "]" else { return first.scalars }
    offset += 1
    guard let high = try memberScalar().scalar, high >= low else {
      offset = start
      throw unsupported("a range that ends before it begins")
    }
    return ScalarClass(ranges: [low.value...high.value])
  }

  private mutating func memberScalar() throws(ScalarPatternError) -> (scalar: Unicode.Scalar?, scalars: ScalarClass) {
    guard let scalar = next else { throw unsupported("brackets without end") }
    guard scalar == "\\" else {
      offset += 1
      return (scalar, literal(scalar))
    }
    let place = offset + 1
    let scalars = try escape()
    switch place < text.count ? text[place] : " " {
    case "n": return ("\n", scalars)
    case "r": return ("\r", scalars)
    case "t": return ("\t", scalars)
    case "s", "S", "d", "D", "w", "W", "p", "P", "f", "v": return (nil, scalars)
    case "x", "u":
      offset = place + 1
      return (try hexadecimal(digits: text[place] == "x" ? 2 : 4), scalars)
    default: return (text[place], scalars)
    }
  }
}
