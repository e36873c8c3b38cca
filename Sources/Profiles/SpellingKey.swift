// SPDX-License-Identifier: Apache-2.0

/// A name reduced to what people agree on when they spell it: letters and digits in lower case, and its words.
struct SpellingKey: Equatable {
  /// Letters and digits alone: `llama318b`.
  let letters: [UInt8]
  /// Words, with `3.1` kept whole and `8b` too: `llama`, `3.1`, `8b`.
  let words: [[UInt8]]

  init(_ text: String) {
    var letters: [UInt8] = []
    var words: [[UInt8]] = []
    var word: [UInt8] = []
    let bytes = Array(text.utf8)
    for (position, byte) in bytes.enumerated() {
      let lower = Self.lowerCase(byte)
      if Self.isDigit(lower) || Self.isLetter(lower) {
        if Self.startsWord(lower, after: word) { Self.close(&word, into: &words) }
        word.append(lower)
        letters.append(lower)
      } else if byte == UInt8(ascii: "."), let last = word.last, Self.isDigit(last), position + 1 < bytes.count,
        Self.isDigit(bytes[position + 1])
      {
        word.append(byte)
      } else {
        Self.close(&word, into: &words)
      }
    }
    Self.close(&word, into: &words)
    self.letters = letters
    self.words = words
  }

  /// `qwen2.5` is two words, `8b` and `v0` are one: a digit starts a word after two letters or more.
  private static func startsWord(_ byte: UInt8, after word: [UInt8]) -> Bool {
    guard isDigit(byte), word.count > 1, let last = word.last else { return false }
    return isLetter(last) && !word.contains { isDigit($0) }
  }

  private static func close(_ word: inout [UInt8], into words: inout [[UInt8]]) {
    if !word.isEmpty { words.append(word) }
    word.removeAll(keepingCapacity: true)
  }

  private static func lowerCase(_ byte: UInt8) -> UInt8 {
    (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
  }
  private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
  private static func isLetter(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || byte >= 0x80
  }

  /// Whether the letters wanted stand somewhere in this name's letters.
  func contains(_ wanted: SpellingKey) -> Bool {
    let count = wanted.letters.count
    guard count <= letters.count else { return false }
    return (0...(letters.count - count)).contains { letters[$0..<($0 + count)] == wanted.letters[...] }
  }

  /// How many words this name has beyond those wanted, in their order; nil when it lacks one of them.
  func wordsLeftOver(by wanted: SpellingKey) -> Int? {
    var rest = words[...]
    for word in wanted.words {
      guard let position = rest.firstIndex(of: word) else { return nil }
      rest = rest[(position + 1)...]
    }
    return words.count - wanted.words.count
  }

  /// How far the letters wanted are from the beginning of this name: Levenshtein's distance to the nearest
  /// beginning, then the letters left over; nil beyond `limit` changes.
  func distance(to wanted: SpellingKey, limit: Int) -> (changes: Int, leftOver: Int)? {
    guard letters.count <= 256, wanted.letters.count <= 256 else { return nil }
    var previous = Array(0...wanted.letters.count)
    var best = (changes: wanted.letters.count, leftOver: letters.count)
    for (row, letter) in letters.enumerated() {
      var current = [row + 1]
      current.reserveCapacity(previous.count)
      for (column, candidate) in wanted.letters.enumerated() {
        let substituted = previous[column] + (letter == candidate ? 0 : 1)
        current.append(Swift.min(substituted, previous[column + 1] + 1, current[column] + 1))
      }
      previous = current
      let changes = previous[wanted.letters.count]
      if changes <= best.changes { best = (changes, letters.count - row - 1) }
    }
    return best.changes <= limit ? best : nil
  }
}
