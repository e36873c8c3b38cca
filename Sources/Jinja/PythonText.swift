// SPDX-License-Identifier: Apache-2.0

/// Python's string methods, by Unicode scalars.
enum PythonText {
  static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
    scalar.properties.isWhitespace || (0x1C...0x1F).contains(scalar.value)
  }

  /// Without scalars of a set at its ends; of white space when no set is given.
  static func stripped(_ text: String, of set: String? = nil, start: Bool = true, end: Bool = true) -> String {
    let members = set.map { Set($0.unicodeScalars) }
    func goes(_ scalar: Unicode.Scalar) -> Bool { members?.contains(scalar) ?? isSpace(scalar) }
    var rest = text.unicodeScalars[...]
    if start { while let first = rest.first, goes(first) { rest.removeFirst() } }
    if end { while let last = rest.last, goes(last) { rest.removeLast() } }
    return String(rest)
  }

  /// Where a piece begins, in bytes of UTF-8.
  static func find(_ piece: String, in text: String, from start: Int = 0) -> Int? {
    var text = text
    var piece = piece
    return text.withUTF8 { whole in
      piece.withUTF8 { part in
        guard !part.isEmpty else { return start <= whole.count ? start : nil }
        var index = start
        while index + part.count <= whole.count {
          if whole[index] == part[0], whole[index..<index + part.count].elementsEqual(part) { return index }
          index += 1
        }
        return nil
      }
    }
  }

  /// The pieces between separators, at most so many cuts.
  static func split(_ text: String, by separator: String, most: Int = .max) -> [String] {
    let bytes = Array(text.utf8)
    var pieces: [String] = []
    var start = 0
    while pieces.count < most, let end = find(separator, in: text, from: start) {
      pieces.append(String(decoding: bytes[start..<end], as: UTF8.self))
      start = end + separator.utf8.count
    }
    pieces.append(String(decoding: bytes[start...], as: UTF8.self))
    return pieces
  }

  /// The words between white space.
  static func words(_ text: String) -> [String] {
    text.unicodeScalars.split(whereSeparator: isSpace).map { String($0) }
  }

  static func starts(_ text: String, with prefix: String) -> Bool { text.utf8.starts(with: prefix.utf8) }

  static func ends(_ text: String, with suffix: String) -> Bool {
    text.utf8.count >= suffix.utf8.count && text.utf8.suffix(suffix.utf8.count).elementsEqual(suffix.utf8)
  }

  /// The first letter large, the others small.
  static func capitalized(_ text: String) -> String {
    guard let first = text.unicodeScalars.first else { return "" }
    return first.properties.titlecaseMapping + String(text.unicodeScalars.dropFirst()).lowercased()
  }

  /// Every word capitalized.
  static func titled(_ text: String) -> String {
    var result = ""
    var word = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      if scalar.properties.isAlphabetic {
        word.append(scalar)
      } else {
        result += capitalized(String(word))
        result.unicodeScalars.append(scalar)
        word = .init()
      }
    }
    return result + capitalized(String(word))
  }

  static func lines(_ text: String) -> [String] {
    var pieces = split(text, by: "\n")
    if pieces.last == "" { pieces.removeLast() }
    return pieces
  }

  /// Lines after the first pushed in; empty ones stay empty.
  static func indented(_ text: String, by columns: Int, first: Bool) -> String {
    let space = String(repeating: " ", count: max(0, min(columns, 1000)))
    return split(text, by: "\n").enumerated().map { index, line in
      (index == 0 && !first) || (index > 0 && line.isEmpty) ? line : space + line
    }.joined(separator: "\n")
  }
}
