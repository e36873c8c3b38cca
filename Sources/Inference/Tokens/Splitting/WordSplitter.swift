// SPDX-License-Identifier: Apache-2.0

/// How byte-pair vocabularies split text into words before any merge: a list of passes, each of which cuts every piece
/// of the one before at its matches.
struct WordSplitter: Sendable {
  /// What becomes of a match and of what lies between matches.
  enum Cut: Sendable {
    /// Both are pieces.
    case isolated
    /// Matches are dropped.
    case removed
    /// A match ends the piece before it.
    case joinedToPrevious
    /// A match begins the piece behind it.
    case joinedToNext
  }

  struct Pass: Sendable, Equatable {
    var pattern: ScalarPattern
    var cut = Cut.isolated
  }

  let passes: [Pass]

  /// The ranges of the words' bytes, in order.
  ///
  /// - Parameter text: valid UTF-8.
  func words(of text: UnsafeBufferPointer<UInt8>) -> [Range<Int>] {
    guard !passes.isEmpty else { return text.isEmpty ? [] : [0..<text.count] }
    let scalars = Self.scalars(of: text)
    var pieces = scalars.isEmpty ? [] : [0..<scalars.count]
    for pass in passes { pieces = Self.cut(pieces, scalars, by: pass) }
    return Self.byteRanges(of: pieces, scalars)
  }

  private static func scalars(of text: UnsafeBufferPointer<UInt8>) -> [ClassifiedScalar] {
    var result: [ClassifiedScalar] = []
    result.reserveCapacity(text.count)
    var index = 0
    while index < text.count {
      let lead = text[index]
      let width = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4
      var value = width == 1 ? UInt32(lead) : UInt32(lead) & (0x7F >> UInt32(width))
      for next in (index + 1)..<max(index + 1, min(index + width, text.count)) {
        value = value << 6 | UInt32(text[next] & 0x3F)
      }
      result.append(ClassifiedScalar(value))
      index += width
    }
    return result
  }

  private static func byteRanges(of pieces: [Range<Int>], _ scalars: [ClassifiedScalar]) -> [Range<Int>] {
    var offset = 0
    var position = 0
    return pieces.map { piece in
      // Dropped matches leave gaps between the pieces.
      while position < piece.lowerBound { (offset, position) = (offset + scalars[position].width, position + 1) }
      let start = offset
      while position < piece.upperBound { (offset, position) = (offset + scalars[position].width, position + 1) }
      return start..<offset
    }
  }

  private static func cut(_ pieces: [Range<Int>], _ scalars: [ClassifiedScalar], by pass: Pass) -> [Range<Int>] {
    var result: [Range<Int>] = []
    result.reserveCapacity(pieces.count)
    pass.pattern.steps.withUnsafeBufferPointer { steps in
      pass.pattern.classes.withUnsafeBufferPointer { classes in
        scalars.withUnsafeBufferPointer { scalars in
          var matcher = ScalarMatcher(steps, classes, scalars)
          for piece in pieces { cut(piece, by: pass, &matcher, into: &result) }
        }
      }
    }
    return result
  }

  private static func cut(
    _ piece: Range<Int>, by pass: Pass, _ matcher: inout ScalarMatcher, into result: inout [Range<Int>]
  ) {
    var open = piece.lowerBound
    var position = piece.lowerBound
    while position < piece.upperBound {
      guard let end = matcher.match(at: position, in: piece) else {
        let run = pass.pattern.leadingRun.map { matcher.run(of: $0, from: position, to: piece.upperBound) }
        position = max(position + 1, run ?? 0)
        continue
      }
      let ends = pass.cut == .joinedToPrevious
      if open < position, !ends { result.append(open..<position) }
      if pass.cut == .isolated, position < end { result.append(position..<end) }
      if ends, open < end { result.append(open..<end) }
      open = pass.cut == .joinedToNext ? position : end
      position = max(end, position + 1)
    }
    if open < piece.upperBound { result.append(open..<piece.upperBound) }
  }
}
