// SPDX-License-Identifier: Apache-2.0
import Foundation
import Synchronization

/// An HTTP/1.1 server on a free port of 127.0.0.1: answers what a closure says and keeps what it was asked.
///
/// One request per connection, one connection at a time, which is all that one client needs.
final class LoopbackServer: Sendable {
  struct Request: Sendable {
    /// With the query, as it came over the wire.
    var target: String
    /// Names in lower case.
    var headers: [String: String]

    /// `bytes=FIRST-LAST` of the header Range.
    var range: ClosedRange<Int>? {
      guard let text = headers["range"], text.hasPrefix("bytes=") else { return nil }
      let ends = text.dropFirst(6).split(separator: "-").compactMap { Int($0) }
      return ends.count == 2 && ends[0] <= ends[1] ? ends[0]...ends[1] : nil
    }
  }

  struct Reply: Sendable {
    var status = 200
    var headers: [String: String] = [:]
    var body: [UInt8] = []
    /// Announced instead of the body's true length.
    var announced: Int?
    /// Says nothing until the client gives up.
    var hangs = false
    /// Sent as it is, instead of all else.
    var raw: [UInt8]?

    static func text(_ text: String, status: Int = 200, headers: [String: String] = [:]) -> Reply {
      Reply(status: status, headers: headers, body: Array(text.utf8))
    }

    static func redirect(to target: String) -> Reply { Reply(status: 302, headers: ["Location": target]) }

    /// The whole of a file, or the part that was asked for.
    static func file(_ bytes: [UInt8], _ range: ClosedRange<Int>?) -> Reply {
      guard let range else { return Reply(body: bytes) }
      guard range.lowerBound < bytes.count else {
        return Reply(status: 416, headers: ["Content-Range": "bytes */\(bytes.count)"])
      }
      let last = min(range.upperBound, bytes.count - 1)
      return Reply(
        status: 206, headers: ["Content-Range": "bytes \(range.lowerBound)-\(last)/\(bytes.count)"],
        body: Array(bytes[range.lowerBound...last]))
    }
  }

  private struct Record {
    var requests: [Request] = []
    var bodyBytes = 0
  }

  let port: Int
  private let listener: Int32
  private let record = Mutex(Record())
  /// Held while a client is served: it may have its answer before the server has counted it.
  private let serving = Mutex<Void>(())
  private let respond: @Sendable (Request, _ index: Int) -> Reply

  var endpoint: String { "http://127.0.0.1:\(port)" }
  var requests: [Request] { record.withLock(\.requests) }
  /// Bytes of bodies handed to the network; some of them may have been in flight when the client hung up.
  var bodyBytesSent: Int {
    serving.withLock { _ in record.withLock(\.bodyBytes) }
  }

  init(respond: @escaping @Sendable (Request, _ index: Int) -> Reply) throws {
    self.respond = respond
    (listener, port) = try Self.listen()
    let server = self
    Thread.detachNewThread { server.serve() }
  }

  /// Ends the thread: the pending accept fails.
  func stop() { shutdown(listener, Int32(SHUT_RDWR)) }

  private static func listen() throws -> (Int32, Int) {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    // A small buffer, so that what a client does not read is not sent either.
    var small: Int32 = 16 << 10
    setsockopt(listener, SOL_SOCKET, SO_SNDBUF, &small, socklen_t(MemoryLayout<Int32>.size))
    let isOpen = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, length) == 0 && Glibc.listen(listener, 8) == 0 && getsockname(listener, $0, &length) == 0
      }
    }
    guard isOpen else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
    return (listener, Int(UInt16(bigEndian: address.sin_port)))
  }

  private func serve() {
    while true {
      let client = accept(listener, nil, nil)
      guard client >= 0 else { break }
      serving.withLock { _ in
        answer(client)
        close(client)
      }
    }
    close(listener)
  }

  private func answer(_ client: Int32) {
    guard let request = receive(client) else { return }
    let index = record.withLock { record in
      record.requests.append(request)
      return record.requests.count - 1
    }
    let reply = respond(request, index)
    guard !reply.hangs else { return waitForEnd(client) }
    if let raw = reply.raw {
      _ = send(raw, client)
      return
    }
    var head = "HTTP/1.1 \(reply.status) Status\r\nContent-Length: \(reply.announced ?? reply.body.count)\r\n"
    for (name, value) in reply.headers { head += "\(name): \(value)\r\n" }
    _ = send(Array((head + "Connection: close\r\n\r\n").utf8), client)
    let sent = send(reply.body, client)
    record.withLock { $0.bodyBytes += sent }
  }

  /// The request's head; GET has no body.
  private func receive(_ client: Int32) -> Request? {
    var head: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while !head.suffix(4).elementsEqual(Array("\r\n\r\n".utf8)) {
      let count = recv(client, &buffer, buffer.count, 0)
      guard count > 0, head.count < 65_536 else { return nil }
      head += buffer.prefix(count)
    }
    let lines = String(decoding: head, as: UTF8.self).components(separatedBy: "\r\n")
    let words = lines[0].split(separator: " ")
    guard words.count == 3 else { return nil }
    var headers: [String: String] = [:]
    for line in lines.dropFirst() {
      guard let colon = line.firstIndex(of: ":") else { continue }
      headers[line[..<colon].lowercased()] = line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
    }
    return Request(target: String(words[1]), headers: headers)
  }

  private func waitForEnd(_ client: Int32) {
    var byte: UInt8 = 0
    while recv(client, &byte, 1, 0) > 0 {}
  }

  /// The number of bytes that the client took.
  private func send(_ bytes: [UInt8], _ client: Int32) -> Int {
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeBytes {
        Glibc.send(client, $0.baseAddress?.advanced(by: done), $0.count - done, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { break }
      done += count
    }
    return done
  }
}
