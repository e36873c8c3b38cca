// SPDX-License-Identifier: Apache-2.0

/// Tokens that are found in the text as a whole before it is split: user-defined ones always, control ones on demand.
struct SpecialTokens: Sendable {
  enum Part: Equatable {
    case token(Int32)
    case text(Substring)
  }

  private struct Entry: Sendable {
    var text: [UInt8]
    var id: Int32
    var isControl: Bool
  }

  /// By their text; some vocabularies have thousands that begin with the same character.
  private let entries: [[UInt8]: Entry]
  /// By their first byte, the lengths that occur, the longest first.
  private let lengths: [UInt8: [Int]]
  /// Control tokens whose names say that a generation ends.
  let endings: Set<Int32>

  private static let endingNames: Set<String> = [
    "<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|endoftext|>", "<|eom_id|>",
  ]

  init(_ vocabulary: Vocabulary) {
    var entries: [[UInt8]: Entry] = [:]
    var lengths: [UInt8: Set<Int>] = [:]
    var endings: Set<Int32> = []
    for id in 0..<vocabulary.count {
      let kind = vocabulary.kinds[id]
      guard kind == .control || kind == .userDefined || kind == .unknown, let first = vocabulary.bytes[id].first else {
        continue
      }
      let entry = Entry(text: vocabulary.bytes[id], id: Int32(id), isControl: kind != .userDefined)
      // Of two with the same text, the one that needs no permission.
      if entries[entry.text]?.isControl ?? true { entries[entry.text] = entry }
      lengths[first, default: []].insert(entry.text.count)
      if Self.endingNames.contains(String(decoding: entry.text, as: UTF8.self)) { endings.insert(entry.id) }
    }
    self.entries = entries
    self.lengths = lengths.mapValues { $0.sorted(by: >) }
    self.endings = endings
  }

  /// The longest token that begins at a place of the text.
  private func token(at place: Int, of bytes: [UInt8], parsesControl: Bool) -> Entry? {
    for length in lengths[bytes[place]] ?? [] where length <= bytes.count - place {
      guard let entry = entries[Array(bytes[place..<place + length])], parsesControl || !entry.isControl else {
        continue
      }
      return entry
    }
    return nil
  }

  /// The text cut at every special token, empty pieces left out.
  func parts(of text: String, parsesControl: Bool) -> [Part] {
    guard !entries.isEmpty else { return text.isEmpty ? [] : [.text(text[...])] }
    var parts: [Part] = []
    var text = text
    text.makeContiguousUTF8()
    let bytes = Array(text.utf8)
    var start = text.startIndex
    var startOffset = 0
    var offset = 0
    while offset < bytes.count {
      guard let hit = token(at: offset, of: bytes, parsesControl: parsesControl) else {
        offset += 1
        continue
      }
      let place = text.utf8.index(start, offsetBy: offset - startOffset)
      if startOffset < offset { parts.append(.text(text[start..<place])) }
      parts.append(.token(hit.id))
      offset += hit.text.count
      start = text.utf8.index(place, offsetBy: hit.text.count)
      startOffset = offset
    }
    if startOffset < bytes.count { parts.append(.text(text[start...])) }
    return parts
  }
}
