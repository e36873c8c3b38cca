// SPDX-License-Identifier: Apache-2.0
import CCurl
internal import Quantities

/// One connection to the hub: asks again when that may help, follows redirects without showing the token to strangers,
/// and keeps every answer within its limit.
///
/// Not safe for use from several threads at once.
final class HubConnection {
  let settings: HubSettings
  private let connection: OpaquePointer
  private let progress: (HubProgress) -> Void
  private(set) var requests = 0
  private(set) var received: Int64 = 0

  /// What to ask for.
  struct Request {
    var url: String
    /// For progress and errors.
    var file: String
    /// Bytes of the file, both ends included as in HTTP; nil for all of it.
    var range: ClosedRange<Int>?
    /// The longest whole answer that makes sense; a part is bounded by its range.
    var limit: Int
  }

  struct Answer {
    var status: Int
    var body: [UInt8]
    /// The body was longer than its limit.
    var isCut: Bool
    var announcedBytes: Int?
    var contentRange: String
    var errorCode: String
    /// The address that answered in the end.
    var url: String
  }

  /// - Throws: `.offlineRequested`, `.invalidEndpoint`, `.invalidToken`, `.systemFailure`.
  init(settings: HubSettings, progress: @escaping (HubProgress) -> Void) throws(HubError) {
    var settings = settings
    let stated = settings.endpoint
    while settings.endpoint.hasSuffix("/") { settings.endpoint.removeLast() }
    guard !settings.isOffline else { throw .offlineRequested }
    guard ccurl_is_endpoint(settings.endpoint) else { throw .invalidEndpoint(stated) }
    guard settings.token?.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) ?? true else { throw .invalidToken }
    guard let connection = ccurl_open() else { throw .systemFailure(detail: "libcurl gives no handle") }
    self.settings = settings
    self.connection = connection
    self.progress = progress
  }

  deinit { ccurl_close(connection) }

  /// Performs the request, as often as the settings allow where repetition may help.
  ///
  /// - Returns: any answer that is no redirect and asks for no patience: also 404.
  /// - Throws: `HubError` about the transfer.
  func get(_ request: Request) throws(HubError) -> Answer {
    var pause = settings.firstPause
    for attempt in 0... {
      let isLast = attempt >= settings.retryLimit
      switch try followed(request) {
      case .answer(let answer): return answer
      case .broken(let error):
        guard !isLast else { throw error }
        settings.pause(pause)
      case .busy(let error, let wait):
        guard !isLast, (wait ?? pause) <= settings.longestPause else { throw error }
        settings.pause(wait ?? pause)
      }
      pause = min(Seconds(pause.seconds * 2), settings.longestPause)
    }
    throw .brokenTransfer(url: request.url, detail: "too many attempts")
  }

  private enum Attempt {
    case answer(Answer)
    /// The connection failed in a way that may pass.
    case broken(HubError)
    /// The server wants to be asked later.
    case busy(HubError, wait: Seconds?)
  }

  /// One attempt, through all redirects.
  private func followed(_ request: Request) throws(HubError) -> Attempt {
    var url = request.url
    for _ in 0...settings.redirectLimit {
      let raw = try single(url, request)
      switch raw.outcome {
      case CCURL_COMPLETE, CCURL_CUT: break
      default: return try failed(raw, url)
      }
      if (300..<400).contains(raw.answer.status), let next = raw.redirect {
        guard ccurl_is_https(next) || !ccurl_is_https(url) else { throw .unsafeRedirect(from: url, to: next) }
        url = next
        continue
      }
      return attempt(raw, url)
    }
    throw .tooManyRedirects(url: request.url, limit: settings.redirectLimit)
  }

  private func attempt(_ raw: RawAnswer, _ url: String) -> Attempt {
    switch raw.answer.status {
    case 429: .busy(.rateLimited(host: Self.host(of: url), wait: raw.retryAfter), wait: raw.retryAfter)
    case 500, 502, 503, 504: .busy(.refused(url: url, status: raw.answer.status), wait: raw.retryAfter)
    default: .answer(raw.answer)
    }
  }

  /// A failure that may pass, or else a thrown one.
  private func failed(_ raw: RawAnswer, _ url: String) throws(HubError) -> Attempt {
    let host = Self.host(of: url)
    switch raw.outcome {
    case CCURL_NAME_UNKNOWN: throw .unreachable(host: host, .nameUnknown, detail: raw.detail)
    case CCURL_REFUSED: throw .unreachable(host: host, .noConnection, detail: raw.detail)
    case CCURL_TLS: throw .unreachable(host: host, .certificate, detail: raw.detail)
    case CCURL_TIMED_OUT: throw .timedOut(url: url, after: raw.elapsed)
    case CCURL_ENDED_EARLY, CCURL_BROKEN: return .broken(.brokenTransfer(url: url, detail: raw.detail))
    case CCURL_BAD_URL: throw .unsafeRedirect(from: settings.endpoint, to: url)
    default: throw .systemFailure(detail: raw.detail)
    }
  }

  private struct RawAnswer {
    var outcome: ccurl_outcome
    var answer: Answer
    var redirect: String?
    var retryAfter: Seconds?
    var detail: String
    var elapsed: Seconds
  }

  /// One request and its answer, whatever it is.
  private func single(_ url: String, _ request: Request) throws(HubError) -> RawAnswer {
    let isOwn = ccurl_same_origin(url, settings.endpoint)
    let authorization = isOwn ? settings.token.map { "Authorization: Bearer \($0)" } : nil
    var limits = ccurl_limits(
      connect_timeout_ms: Int(settings.connectTimeout.seconds * 1000),
      stall_timeout_s: max(1, Int(settings.stallTimeout.seconds)),
      total_timeout_ms: max(1, Int(settings.totalTimeout.seconds * 1000)),
      part_bytes: request.range?.count ?? request.limit, whole_bytes: request.limit)
    var found: UnsafePointer<ccurl_answer>?
    let range = request.range.map { "\($0.lowerBound)-\($0.upperBound)" }
    let start = ContinuousClock.now
    let outcome = ccurl_get(connection, url, range, authorization, settings.userAgent, &limits, &found)
    guard let found else { throw .systemFailure(detail: "libcurl gives no answer") }
    let raw = read(found.pointee, outcome, url, Seconds(start.duration(to: .now)))
    requests += 1
    received += Int64(raw.answer.body.count)
    progress(HubProgress(file: request.file, requests: requests, received: ByteCount(received)))
    return raw
  }

  private func read(_ found: ccurl_answer, _ outcome: ccurl_outcome, _ url: String, _ elapsed: Seconds) -> RawAnswer {
    let body = found.body.map { Array(UnsafeBufferPointer(start: $0, count: found.body_bytes)) } ?? []
    let answer = Answer(
      status: found.status, body: body, isCut: outcome == CCURL_CUT,
      announcedBytes: found.announced_bytes < 0 ? nil : Int(found.announced_bytes),
      contentRange: text(found.content_range), errorCode: text(found.error_code), url: url)
    return RawAnswer(
      outcome: outcome, answer: answer, redirect: found.redirect_url.map { String(cString: $0) },
      retryAfter: found.retry_after_s > 0 ? Seconds(Double(found.retry_after_s)) : nil,
      detail: text(found.detail), elapsed: elapsed)
  }

  /// The text in a fixed array of C characters; what could steer a terminal becomes `?`, for it may be shown.
  private func text<Characters>(_ characters: Characters) -> String {
    withUnsafeBytes(of: characters) { bytes in
      let shown = bytes.prefix { $0 != 0 }.map { (0x20...0x7E).contains($0) ? $0 : UInt8(ascii: "?") }
      return String(decoding: shown, as: UTF8.self)
    }
  }

  /// The part of an address between `//` and the next slash.
  static func host(of url: String) -> String {
    let parts = url.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: true)
    return parts.count > 1 ? String(parts[1]) : url
  }
}
