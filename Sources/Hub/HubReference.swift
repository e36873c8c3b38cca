// SPDX-License-Identifier: Apache-2.0

/// A model on the hub as a person writes it: `OWNER/NAME[@REVISION][:FILE]`, with or without `hf:` before it.
///
/// FILE is a path inside the repository, or a word that singles out one of its GGUF files (`:q4_k_m`).
package struct HubReference: Sendable, Equatable {
  package let owner: String
  package let name: String
  /// A branch, tag or commit.
  package let revision: String
  package let file: String?

  package var repository: String { "\(owner)/\(name)" }

  /// As a person would write it again.
  package var text: String {
    repository + (revision == Self.defaultRevision ? "" : "@\(revision)") + (file.map { ":\($0)" } ?? "")
  }

  package static let defaultRevision = "main"

  /// - Throws: `HubError.invalidReference`.
  package init(_ text: String) throws(HubError) {
    var rest = text.hasPrefix("hf:") ? text.dropFirst(3) : Substring(text)
    var file: String?
    if let colon = rest.firstIndex(of: ":") {
      file = String(rest[rest.index(after: colon)...])
      rest = rest[..<colon]
    }
    var revision = Self.defaultRevision
    if let at = rest.firstIndex(of: "@") {
      revision = String(rest[rest.index(after: at)...])
      rest = rest[..<at]
    }
    let parts = rest.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, parts.allSatisfy(Self.isName), Self.isPath(revision), file.map(Self.isPath) ?? true else {
      throw .invalidReference(text)
    }
    owner = String(parts[0])
    name = String(parts[1])
    self.revision = revision
    self.file = file
  }

  /// Letters, digits, `-`, `_` and `.`, as the hub allows in names; at most 96 of them.
  private static func isName(_ part: Substring) -> Bool {
    (1...96).contains(part.utf8.count) && part != "." && part != ".."
      && part.utf8.allSatisfy { isLetterOrDigit($0) || "-_.".utf8.contains($0) }
  }

  /// Any text without control characters whose parts are not empty, `.` or `..`.
  static func isPath(_ path: String) -> Bool {
    path.utf8.count <= 1024 && path.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7F && $0 != UInt8(ascii: "\\") }
      && path.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { !["", ".", ".."].contains($0) }
  }
}

/// Whether a byte is an ASCII letter or digit.
private func isLetterOrDigit(_ byte: UInt8) -> Bool {
  switch byte {
  case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
    UInt8(ascii: "0")...UInt8(ascii: "9"):
    true
  default: false
  }
}

extension HubReference {
  /// Where the hub serves a file of the repository (huggingface_hub's URL template for downloads).
  func url(of file: String, endpoint: String) -> String {
    "\(endpoint)/\(repository)/resolve/\(Self.encoded(revision, keeping: ""))/\(Self.encoded(file, keeping: "/"))"
  }

  /// Where the hub lists the files at the top of the repository.
  func listingURL(endpoint: String) -> String {
    "\(endpoint)/api/models/\(repository)/tree/\(Self.encoded(revision, keeping: ""))"
  }

  /// Percent-encodes all but the unreserved characters of RFC 3986 and those to keep.
  private static func encoded(_ text: String, keeping kept: String) -> String {
    var output = ""
    for byte in text.utf8 {
      if isLetterOrDigit(byte) || "-._~".utf8.contains(byte) || kept.utf8.contains(byte) {
        output.unicodeScalars.append(Unicode.Scalar(byte))
      } else {
        let digits = String(byte, radix: 16, uppercase: true)
        output += "%" + (digits.count == 1 ? "0" : "") + digits
      }
    }
    return output
  }
}
