// SPDX-License-Identifier: Apache-2.0

/// A file on the hub of which only the beginning is fetched, piece by piece.
struct RemoteFile {
  let name: String
  /// The bytes at hand, from the start of the file.
  private(set) var bytes: [UInt8] = []
  /// The size of the whole file, once the server has said it.
  private(set) var totalBytes: Int?
  /// Where the next piece comes from: redirects are followed once.
  private var url: String
  private let reference: HubReference

  init(_ name: String, of reference: HubReference, endpoint: String) {
    self.name = name
    self.reference = reference
    url = reference.url(of: name, endpoint: endpoint)
  }

  /// True when nothing follows the bytes at hand.
  var isWhole: Bool { totalBytes.map { bytes.count >= $0 } ?? false }

  /// Fetches until `count` bytes from the start, or the whole file, are at hand.
  ///
  /// A server that ignores the range and sends everything is cut off at `count`.
  /// - Throws: `HubError`; `.wrongRange` when the server answers with another piece than the one asked for.
  mutating func extend(to count: Int, through connection: HubConnection) throws(HubError) {
    while bytes.count < count, !isWhole {
      let range = bytes.count...(min(count, totalBytes ?? count) - 1)
      let answer = try connection.get(.init(url: url, file: name, range: range, limit: range.upperBound + 1))
      url = answer.url
      switch answer.status {
      case 206: try append(part: answer, range)
      case 200: replace(whole: answer)
      case 416 where bytes.isEmpty: totalBytes = 0
      default: throw connection.refusal(answer, reference, file: name)
      }
    }
  }

  private mutating func append(part answer: HubConnection.Answer, _ range: ClosedRange<Int>) throws(HubError) {
    guard let place = ContentRange(answer.contentRange), place.start == range.lowerBound, !answer.body.isEmpty,
      answer.body.count <= range.count, place.total.map({ $0 >= range.lowerBound + answer.body.count }) ?? true,
      totalBytes == nil || place.total == nil || place.total == totalBytes
    else {
      throw .wrongRange(
        url: answer.url, asked: "\(range.lowerBound)-\(range.upperBound)",
        answered: answer.contentRange.isEmpty ? "no range" : answer.contentRange)
    }
    bytes += answer.body
    totalBytes = totalBytes ?? place.total
    // A server that will not say the size and sends less than was asked for has reached the end.
    if totalBytes == nil, answer.body.count < range.count { totalBytes = bytes.count }
  }

  private mutating func replace(whole answer: HubConnection.Answer) {
    bytes = answer.body
    totalBytes = answer.isCut ? answer.announcedBytes : bytes.count
  }
}

/// The header `Content-Range: bytes 0-99/1234` of a partial answer (RFC 9110, 14.4).
struct ContentRange: Equatable {
  let start: Int
  /// The size of the whole file; nil when the server writes `*`.
  let total: Int?

  init?(_ text: String) {
    let words = text.split(separator: " ")
    guard words.count == 2, words[0].lowercased() == "bytes" else { return nil }
    let halves = words[1].split(separator: "/", omittingEmptySubsequences: false)
    guard halves.count == 2 else { return nil }
    let ends = halves[0].split(separator: "-", omittingEmptySubsequences: false).map { Self.number($0) }
    guard ends.count == 2, let first = ends[0], let last = ends[1], first <= last else { return nil }
    start = first
    total = Self.number(halves[1])
    guard halves[1] == "*" || (total ?? 0) > last else { return nil }
  }

  /// Digits only: `Int("+5")` would be too kind.
  private static func number(_ text: Substring) -> Int? {
    text.utf8.allSatisfy { (0x30...0x39).contains($0) } ? Int(text) : nil
  }
}

extension HubConnection {
  /// What an answer that is neither the file nor a part of it means.
  func refusal(_ answer: Answer, _ reference: HubReference, file: String?) -> HubError {
    let hasToken = settings.token != nil
    switch (answer.status, answer.errorCode) {
    case (404, "RevisionNotFound"), (404, "RepoNotFound"):
      return .notFound(repository: reference.repository, revision: reference.revision, file: nil)
    case (404, _), (410, _):
      return .notFound(repository: reference.repository, revision: reference.revision, file: file)
    case (401, _), (403, _): return .needsAccess(repository: reference.repository, hasToken: hasToken)
    default: return .refused(url: answer.url, status: answer.status)
    }
  }
}
