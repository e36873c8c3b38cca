// SPDX-License-Identifier: Apache-2.0

/// A class of Unicode scalars as the splitters' expressions name them.
enum ScalarClass: Sendable {
  /// `\p{L}`, `\p{N}`, `\p{P}`, `\s`, `[\r\n]`, `[^\s\p{L}\p{N}]`
  case letter, number, punctuation, space, lineEnd, symbol
  /// Letters with a case: what DeepSeek's list of ranges spells out.
  case casedLetter
  /// `[\p{P}\$\+<=>\^~\|`]`
  case falconPunctuation
  /// `[!-/:-~！-／：-～‘-‟　-。]`
  case deepSeekPunctuation
  /// `[一-龥ࠀ-一가-퟿]`
  case eastAsian

  func contains(_ scalar: Unicode.Scalar) -> Bool {
    switch self {
    case .letter: Self.isLetter(scalar)
    case .number: Self.isNumber(scalar)
    case .space: Self.isSpace(scalar)
    case .lineEnd: scalar == "\r" || scalar == "\n"
    case .symbol: !Self.isSpace(scalar) && !Self.isLetter(scalar) && !Self.isNumber(scalar)
    case .punctuation: Self.isPunctuation(scalar)
    case .casedLetter: Self.isCased(scalar)
    case .falconPunctuation: Self.isPunctuation(scalar) || Self.falconSymbols.contains(scalar)
    case .deepSeekPunctuation: Self.deepSeekRanges.contains { $0.contains(scalar.value) }
    case .eastAsian: (0x0800...0x9FA5).contains(scalar.value) || (0xAC00...0xD7FF).contains(scalar.value)
    }
  }

  private static let falconSymbols: Set<Unicode.Scalar> = ["$", "+", "<", "=", ">", "^", "~", "|", "`"]
  private static let deepSeekRanges: [ClosedRange<UInt32>] = [
    0x21...0x2F, 0x3A...0x7E, 0xFF01...0xFF0F, 0xFF1A...0xFF5E, 0x2018...0x201F, 0x3000...0x3002,
  ]

  // ASCII first: the property tables cost fifty times as much.
  private static func isLetter(_ scalar: Unicode.Scalar) -> Bool {
    if scalar.isASCII { return (0x41...0x5A).contains(scalar.value & ~0x20) }
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: return true
    default: return false
    }
  }

  private static func isCased(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter: true
    default: false
    }
  }

  private static func isNumber(_ scalar: Unicode.Scalar) -> Bool {
    if scalar.isASCII { return (0x30...0x39).contains(scalar.value) }
    switch scalar.properties.generalCategory {
    case .decimalNumber, .letterNumber, .otherNumber: return true
    default: return false
    }
  }

  private static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
    if scalar.isASCII { return scalar == " " || (0x09...0x0D).contains(scalar.value) }
    return scalar.properties.isWhitespace
  }

  private static func isPunctuation(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation, .initialPunctuation,
      .finalPunctuation, .otherPunctuation:
      true
    default: false
    }
  }
}
