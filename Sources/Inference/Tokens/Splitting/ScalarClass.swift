// SPDX-License-Identifier: Apache-2.0

/// A Unicode scalar with what the splitters' expressions ask of it, looked up once.
struct ClassifiedScalar: Sendable {
  let value: UInt32
  /// A bit per general category, and `ScalarClass.spaceBit`.
  let properties: UInt32

  init(_ value: UInt32) {
    self.value = value
    properties = value < 0x80 ? Self.ascii[Int(value)] : Self.properties(of: value)
  }

  // The property tables cost fifty times as much as this one.
  private static let ascii: [UInt32] = (0..<0x80).map { properties(of: $0) }

  private static func properties(of value: UInt32) -> UInt32 {
    guard let scalar = Unicode.Scalar(value) else { return 0 }
    let category = ScalarClass.bit(scalar.properties.generalCategory)
    return scalar.properties.isWhitespace ? category | ScalarClass.spaceBit : category
  }

  /// Bytes in UTF-8.
  var width: Int { value < 0x80 ? 1 : value < 0x800 ? 2 : value < 0x1_0000 ? 3 : 4 }
}

/// A set of Unicode scalars as an expression's brackets or `\p{…}` name it.
struct ScalarClass: Sendable, Equatable {
  static let spaceBit: UInt32 = 1 << 30

  private var properties: UInt32 = 0
  private var ranges: [ClosedRange<UInt32>] = []
  private var united: [ScalarClass] = []
  private var intersected: [ScalarClass] = []
  private var isNegated = false
  /// Which of the 128 ASCII scalars belong: most text asks nothing else.
  private var ascii: (UInt64, UInt64) = (0, 0)

  static func == (one: ScalarClass, other: ScalarClass) -> Bool {
    one.ascii == other.ascii && one.properties == other.properties && one.ranges == other.ranges
      && one.united == other.united && one.intersected == other.intersected && one.isNegated == other.isNegated
  }

  init(properties: UInt32 = 0, ranges: [ClosedRange<UInt32>] = []) {
    self.properties = properties
    self.ranges = ranges
    remember()
  }

  /// The scalars that are in any of the classes.
  init(anyOf classes: [ScalarClass]) {
    for part in classes {
      if part.isPlain {
        properties |= part.properties
        ranges += part.ranges
      } else {
        united.append(part)
      }
    }
    remember()
  }

  /// All other scalars.
  var complement: ScalarClass {
    var result = self
    result.isNegated.toggle()
    result.remember()
    return result
  }

  /// The scalars that are in both.
  func intersection(_ other: ScalarClass) -> ScalarClass {
    var result = ScalarClass(anyOf: [self])
    result.intersected.append(other)
    result.remember()
    return result
  }

  @inline(__always)
  func contains(_ scalar: ClassifiedScalar) -> Bool {
    switch scalar.value {
    case 0..<64: ascii.0 >> UInt64(scalar.value) & 1 == 1
    case 64..<128: ascii.1 >> UInt64(scalar.value - 64) & 1 == 1
    default: containsSlowly(scalar)
    }
  }

  private var isPlain: Bool { !isNegated && united.isEmpty && intersected.isEmpty }

  private func containsSlowly(_ scalar: ClassifiedScalar) -> Bool {
    let isMember =
      (properties & scalar.properties != 0 || ranges.contains { $0.contains(scalar.value) }
        || united.contains { $0.containsSlowly(scalar) })
      && intersected.allSatisfy { $0.containsSlowly(scalar) }
    return isMember != isNegated
  }

  private mutating func remember() {
    ascii = (0, 0)
    for value in UInt32(0)..<64 where containsSlowly(ClassifiedScalar(value)) { ascii.0 |= 1 << UInt64(value) }
    for value in UInt32(64)..<128 where containsSlowly(ClassifiedScalar(value)) { ascii.1 |= 1 << UInt64(value - 64) }
  }
}

extension ScalarClass {
  static let space = ScalarClass(properties: spaceBit)
  static let digit = ScalarClass(properties: bit(.decimalNumber))
  /// `\w`: letters, marks, digits and connectors (Unicode Technical Standard 18, annex C).
  static let word = ScalarClass(anyOf: ["L", "M", "Nd", "Pc"].compactMap { ScalarClass(property: $0) })
  /// Everything but a line feed.
  static let dot = ScalarClass(ranges: [0x0A...0x0A]).complement

  static func bit(_ category: Unicode.GeneralCategory) -> UInt32 {
    1 << (categories.firstIndex { $0.category == category }.map { UInt32($0) } ?? 29)
  }

  /// `\p{NAME}` for a general category, one letter for a group of them, and `Han`; nil for any other.
  init?(property name: String) {
    if name == "Han" {
      self.init(ranges: Self.han)
      return
    }
    let matching = Self.categories.enumerated().filter { $1.name.hasPrefix(name) }
    guard !name.isEmpty, name.utf8.count <= 2, !matching.isEmpty else { return nil }
    self.init(properties: matching.reduce(0) { $0 | 1 << UInt32($1.offset) })
  }

  private static let categories: [(name: String, category: Unicode.GeneralCategory)] = [
    ("Lu", .uppercaseLetter), ("Ll", .lowercaseLetter), ("Lt", .titlecaseLetter), ("Lm", .modifierLetter),
    ("Lo", .otherLetter), ("Mn", .nonspacingMark), ("Mc", .spacingMark), ("Me", .enclosingMark),
    ("Nd", .decimalNumber), ("Nl", .letterNumber), ("No", .otherNumber), ("Pc", .connectorPunctuation),
    ("Pd", .dashPunctuation), ("Ps", .openPunctuation), ("Pe", .closePunctuation), ("Pi", .initialPunctuation),
    ("Pf", .finalPunctuation), ("Po", .otherPunctuation), ("Sm", .mathSymbol), ("Sc", .currencySymbol),
    ("Sk", .modifierSymbol), ("So", .otherSymbol), ("Zs", .spaceSeparator), ("Zl", .lineSeparator),
    ("Zp", .paragraphSeparator), ("Cc", .control), ("Cf", .format), ("Cs", .surrogate), ("Co", .privateUse),
    ("Cn", .unassigned),
  ]

  /// The script Han in Unicode 16 (Scripts.txt).
  private static let han: [ClosedRange<UInt32>] = [
    0x2E80...0x2E99, 0x2E9B...0x2EF3, 0x2F00...0x2FD5, 0x3005...0x3005, 0x3007...0x3007, 0x3021...0x3029,
    0x3038...0x303B, 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xF900...0xFA6D, 0xFA70...0xFAD9, 0x16FE2...0x16FE3,
    0x16FF0...0x16FF1, 0x20000...0x2A6DF, 0x2A700...0x2B739, 0x2B740...0x2B81D, 0x2B820...0x2CEA1,
    0x2CEB0...0x2EBE0, 0x2EBF0...0x2EE5D, 0x2F800...0x2FA1D, 0x30000...0x3134A, 0x31350...0x323AF,
  ]
}
