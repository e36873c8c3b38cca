// SPDX-License-Identifier: Apache-2.0

/// Tokens that are found in the text as a whole before it is split: user-defined ones always, control ones on demand.
struct SpecialTokens: Sendable {
  enum Part: Equatable {
    case token(Int32)
    /// Bytes of the text.
    case text(Range<Int>)
  }

  /// How a token of a file's list of added tokens wants to be found.
  struct Manner: Sendable {
    /// White space before or behind it belongs to it.
    var takesSpaceBefore = false
    var takesSpaceBehind = false
  }

  private struct Entry: Sendable {
    var id: Int32
    var isControl: Bool
    var manner: Manner
  }

  private let entries: [Entry]
  /// By their text; some vocabularies have thousands that begin with the same character.
  private let texts: ByteTable
  /// By their first byte, the lengths that occur, the longest first.
  private let lengths: [[Int]]
  /// Control tokens whose names say that a generation ends.
  let endings: Set<Int32>

  private static let endingNames: Set<String> = [
    "<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|endoftext|>", "<|eom_id|>", "<|return|>", "<|call|>",
    "<|end_of_text|>", "<EOT>", "<|eot|>", "<|END_OF_TURN_TOKEN|>", "<｜end▁of▁sentence｜>", "<turn|>",
  ]

  /// - Parameter manners: of tokens that take the space around them.
  init(_ vocabulary: Vocabulary, manners: [Int32: Manner] = [:]) {
    var entries: [Entry] = []
    var texts: [[UInt8]] = []
    var lengths = [Set<Int>](repeating: [], count: 256)
    var endings: Set<Int32> = []
    // Of two with the same text, the one that needs no permission.
    for wantsControl in [false, true] {
      for id in 0..<vocabulary.count where Self.isSpecial(vocabulary.kinds[id], isControl: wantsControl) {
        let text = Array(vocabulary.bytes(of: id))
        guard let first = text.first else { continue }
        entries.append(Entry(id: Int32(id), isControl: wantsControl, manner: manners[Int32(id)] ?? Manner()))
        texts.append(text)
        lengths[Int(first)].insert(text.count)
        if Self.endingNames.contains(String(decoding: text, as: UTF8.self)) { endings.insert(Int32(id)) }
      }
    }
    self.entries = entries
    self.texts = ByteTable(texts)
    self.lengths = lengths.map { $0.sorted(by: >) }
    self.endings = endings
  }

  private static func isSpecial(_ kind: Vocabulary.Kind, isControl: Bool) -> Bool {
    isControl ? kind == .control || kind == .unknown : kind == .userDefined
  }

  /// The longest token that begins at a place of the text, and its length.
  private func token(
    at place: Int, of bytes: UnsafeBufferPointer<UInt8>, parsesControl: Bool
  ) -> (entry: Entry, length: Int)? {
    for length in lengths[Int(bytes[place])] where length <= bytes.count - place {
      let text = UnsafeBufferPointer(rebasing: bytes[place..<place + length])
      guard let number = texts.number(of: text), parsesControl || !entries[Int(number)].isControl else { continue }
      return (entries[Int(number)], length)
    }
    return nil
  }

  /// The text cut at every special token, empty pieces left out.
  func parts(of bytes: UnsafeBufferPointer<UInt8>, parsesControl: Bool) -> [Part] {
    guard !entries.isEmpty else { return bytes.isEmpty ? [] : [.text(0..<bytes.count)] }
    var parts: [Part] = []
    var start = 0
    var offset = 0
    while offset < bytes.count {
      guard let hit = token(at: offset, of: bytes, parsesControl: parsesControl) else {
        offset += 1
        continue
      }
      var end = offset
      if hit.entry.manner.takesSpaceBefore { while end > start, Self.isSpace(bytes[end - 1]) { end -= 1 } }
      if start < end { parts.append(.text(start..<end)) }
      parts.append(.token(hit.entry.id))
      offset += hit.length
      if hit.entry.manner.takesSpaceBehind { while offset < bytes.count, Self.isSpace(bytes[offset]) { offset += 1 } }
      start = offset
    }
    if start < bytes.count { parts.append(.text(start..<bytes.count)) }
    return parts
  }

  private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
}
