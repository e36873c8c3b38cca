// SPDX-License-Identifier: Apache-2.0

/// Text from tokens one at a time, for streaming: a character comes out when all of its bytes are there.
package struct TokenDecoder {
  private let tokenizer: Tokenizer
  private var pending: [UInt8] = []
  private var isFirst = true

  package init(_ tokenizer: Tokenizer) { self.tokenizer = tokenizer }

  /// What a token adds to the text; empty while a character is incomplete.
  package mutating func text(after id: Int32) -> String {
    var bytes = tokenizer.bytes(of: id)
    if isFirst, !bytes.isEmpty {
      if tokenizer.hidesFirstSpace, bytes.first == 0x20 { bytes.removeFirst() }
      isFirst = false
    }
    pending += bytes
    let complete = pending.count - Self.incompleteCount(pending)
    defer { pending.removeFirst(complete) }
    return String(decoding: pending[..<complete], as: UTF8.self)
  }

  /// What is left of an incomplete character, repaired.
  package mutating func rest() -> String {
    defer { pending = [] }
    return String(decoding: pending, as: UTF8.self)
  }

  /// Bytes at the end that begin a character which is not complete yet.
  private static func incompleteCount(_ bytes: [UInt8]) -> Int {
    for back in 1...3 where back <= bytes.count {
      let byte = bytes[bytes.count - back]
      guard byte & 0xC0 != 0x80 else { continue }
      let length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1
      return length > back ? back : 0
    }
    return 0
  }
}
