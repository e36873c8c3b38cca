// SPDX-License-Identifier: Apache-2.0
import Foundation
import JSONText
import Quantities

/// Where answers, notices and progress go: answers to standard output, all else to standard error.
struct Console {
  let isJSON: Bool
  /// Colours only on a terminal, and not when NO_COLOR is set (no-color.org).
  let isStyled: Bool
  /// Progress only where somebody watches.
  let showsProgress: Bool

  init(isJSON: Bool) {
    let environment = ProcessInfo.processInfo.environment
    let allowsColour = environment["NO_COLOR"]?.isEmpty ?? true && environment["TERM"] != "dumb"
    self.isJSON = isJSON
    isStyled = !isJSON && allowsColour && isatty(STDOUT_FILENO) == 1
    showsProgress = isatty(STDERR_FILENO) == 1 && environment["TERM"] != "dumb"
  }

  func answer(_ lines: [String]) { write(lines.map { $0 + "\n" }.joined(), to: STDOUT_FILENO) }
  func answer(_ text: StyledText) { answer([text.rendered(isStyled: isStyled)]) }
  func answer(_ table: TextTable) { answer(table.lines(isStyled: isStyled)) }
  /// A piece of an answer that comes bit by bit.
  func stream(_ text: String) { write(text, to: STDOUT_FILENO) }
  func notice(_ text: String) { write(text + "\n", to: STDERR_FILENO) }

  /// The envelope of every JSON answer.
  static func envelope(command: String, _ members: [JSON.Member]) -> JSON {
    let head: [JSON.Member] = [
      .init("schemaVersion", 1), .init("command", .string(command)),
      .init("anprobeVersion", .string(Version.current)),
    ]
    return .object(head + members)
  }

  func answer(command: String, _ members: [JSON.Member]) {
    var bytes = Self.envelope(command: command, members).utf8(pretty: isatty(STDOUT_FILENO) == 1)
    bytes.append(0x0A)
    writeAll(bytes, to: STDOUT_FILENO)
  }

  /// One line on standard error that the next one replaces.
  func progress(_ text: String) {
    guard showsProgress else { return }
    write("\r\u{1B}[2K\(text)", to: STDERR_FILENO)
  }

  func endProgress() {
    guard showsProgress else { return }
    write("\r\u{1B}[2K", to: STDERR_FILENO)
  }

  private func write(_ text: String, to descriptor: Int32) { writeAll(Array(text.utf8), to: descriptor) }

  /// Writes everything, however small the pipe's bites; a closed pipe ends the program quietly, as `head` expects.
  private func writeAll(_ bytes: [UInt8], to descriptor: Int32) {
    var offset = 0
    while offset < bytes.count {
      let count = bytes[offset...].withUnsafeBytes { unistd_write(descriptor, $0.baseAddress, $0.count) }
      if count < 0 {
        if errno == EINTR { continue }
        if errno == EPIPE { exit(0) }
        return
      }
      offset += count
    }
  }
}

private func unistd_write(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
  Glibc.write(descriptor, bytes, count)
}
