// SPDX-License-Identifier: Apache-2.0
internal import Foundation

/// A normal form of Unicode (UAX #15), under the name that a `tokenizer.json` gives the step that makes it.
enum NormalForm: String, Sendable {
  case composed = "NFC"
  case decomposed = "NFD"
  case compatiblyComposed = "NFKC"
  case compatiblyDecomposed = "NFKD"

  /// The text in this form; ASCII is in every form.
  func applied(to text: UnsafeBufferPointer<UInt8>) -> [UInt8] {
    guard text.contains(where: { $0 >= 0x80 }) else { return Array(text) }
    let string = String(decoding: text, as: UTF8.self)
    let normal =
      switch self {
      case .composed: string.precomposedStringWithCanonicalMapping
      case .decomposed: string.decomposedStringWithCanonicalMapping
      case .compatiblyComposed: string.precomposedStringWithCompatibilityMapping
      case .compatiblyDecomposed: string.decomposedStringWithCompatibilityMapping
      }
    return Array(normal.utf8)
  }
}
