// SPDX-License-Identifier: Apache-2.0

extension FileTree {
  /// The text of a file without surrounding white space, or nil when it cannot be read.
  func text(_ path: String) -> String? {
    guard let bytes = try? bytes(path) else { return nil }
    return String(decoding: bytes, as: UTF8.self).trimmed
  }

  func lines(_ path: String) -> [Substring] {
    guard let bytes = try? bytes(path) else { return [] }
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n")
  }

  func int(_ path: String) -> Int? { text(path).flatMap { Int($0) } }
  func double(_ path: String) -> Double? { text(path).flatMap { Double($0) }.flatMap { $0.isFinite ? $0 : nil } }

  /// A kernel list of numbers such as `0-3,8`; nil when the file is missing or holds something else.
  func numberList(_ path: String) -> Set<Int>? { text(path).flatMap { numberSet($0) } }

  /// The value behind `key:`, `key ` or `key=` (then the sign is part of the key) at the start of a line.
  func value(_ key: String, in path: String) -> String? {
    for line in lines(path) {
      guard line.hasPrefix(key) else { continue }
      let rest = line.dropFirst(key.count).drop { $0 == " " || $0 == "\t" }
      if rest.first == ":" { return String(rest.dropFirst()).trimmed }
      if key.hasSuffix("=") || rest.count < line.count - key.count { return String(rest).trimmed }
    }
    return nil
  }
}

/// Numbers of a kernel list (`0-3,8`), or nil when the text is no such list. An empty text is an empty list.
func numberSet(_ text: String) -> Set<Int>? {
  // More than Linux supports (CONFIG_NR_CPUS ends at 8192); a hostile range must not fill memory.
  let limit = 65536
  var numbers: Set<Int> = []
  for part in text.split(separator: ",") {
    let ends = part.split(separator: "-").map { Int($0.trimmed) }
    guard let first = ends.first ?? nil, let last = ends.last ?? nil, ends.count <= 2 else { return nil }
    guard first >= 0, first <= last, last < limit else { return nil }
    numbers.formUnion(first...last)
  }
  return numbers
}

extension StringProtocol {
  var trimmed: String {
    let space: (Character) -> Bool = { $0.isWhitespace || $0 == "\0" }
    let start = self.drop(while: space)
    guard let end = start.lastIndex(where: { !space($0) }) else { return "" }
    return String(start[...end])
  }
}
