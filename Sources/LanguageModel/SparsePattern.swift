// SPDX-License-Identifier: Apache-2.0

/// Which weights of a matrix are stored, in 16 bits each; the others are zero.
package enum SparsePattern: Hashable, Sendable {
  /// Any: thousandths of the weights that are kept, found by a mask of one bit per weight.
  case unstructured(keptPermille: UInt16)
  /// `kept` of every `of` neighbours along a row (N:M), found by the place of each within its group.
  case structured(kept: UInt8, of: UInt8)

  /// Bits that an average weight takes, with what finds it.
  ///
  /// - Source: 2:4 as NVIDIA's sparse tensor cores take it, arXiv 2104.08378: two bits per kept value. Where the places
  ///   of larger groups take more bits than a mask, the mask is stored.
  package var bitsPerWeight: Double {
    switch self {
    case .unstructured(let kept): 1 + Double(kept) * 16 / 1000
    case .structured(let kept, let group):
      Double(kept) / Double(group) * 16 + min(1, Double(kept) * Double(Self.placeBits(group)) / Double(group))
    }
  }

  /// Bits that name one of `group` places.
  private static func placeBits(_ group: UInt8) -> Int { 8 - (group - 1).leadingZeroBitCount }

  /// How many weights of a range of a row's columns are kept, so that the row as a whole keeps its share.
  package func kept(in range: Range<Int>) -> Int {
    switch self {
    case .unstructured(let kept):
      Self.kept(permille: Int(kept), of: range.upperBound) - Self.kept(permille: Int(kept), of: range.lowerBound)
    case .structured(let kept, let group): (range.count * Int(kept) + Int(group) - 1) / Int(group)
    }
  }

  /// Thousandths of the weights that are kept.
  package var keptPermille: Int {
    switch self {
    case .unstructured(let kept): Int(kept)
    case .structured(let kept, let group): (Int(kept) * 1000 + Int(group) - 1) / Int(group)
    }
  }

  /// Weights that so many thousandths of a row are, rounded to the nearest.
  package static func kept(permille: Int, of columns: Int) -> Int { (columns * permille + 500) / 1000 }

  package static func name(keptPermille: Int) -> String { "sparse-" + Thousandths.text(1000 - keptPermille) }

  /// What `name(keptPermille:)` was made of; nil for another name.
  package static func keptPermille(of name: String) -> Int? {
    guard name.hasPrefix("sparse-") else { return nil }
    return Thousandths.parse(name.dropFirst("sparse-".count)).map { 1000 - $0 }
  }

  package var name: String {
    switch self {
    case .unstructured(let kept): Self.name(keptPermille: Int(kept))
    case .structured(let kept, let group): "sparse-\(kept):\(group)"
    }
  }
}

/// Fractions below one as variants spell them: `0.3`, `0.125`.
package enum Thousandths {
  package static func text(_ permille: Int) -> String {
    var digits = String(1000 + permille).dropFirst()
    while digits.count > 1, digits.last == "0" { digits.removeLast() }
    return "0.\(digits)"
  }

  /// Nil outside of 0.001 ... 0.999 and for more than three digits.
  package static func parse(_ text: some StringProtocol) -> Int? {
    guard text.hasPrefix("0."), (3...5).contains(text.count), text.dropFirst(2).allSatisfy(\.isNumber),
      let digits = Int(text.dropFirst(2) + String(repeating: "0", count: 5 - text.count)), digits > 0
    else { return nil }
    return digits
  }
}
