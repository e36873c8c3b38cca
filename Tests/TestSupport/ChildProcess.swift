// SPDX-License-Identifier: Apache-2.0
import Foundation
import Synchronization

/// Another program, started and waited for by the system's own calls.
///
/// Foundation's `Process` notices an end through a socket that other children may hold open; tests start many at once.
package final class ChildProcess: @unchecked Sendable {
  package enum End: Equatable {
    case exit(Int32)
    case signal(Int32)
  }

  /// Where an output goes.
  package enum Output {
    case nowhere
    case file(path: String)
    /// Read with `read`; the writing end is closed here once the program runs.
    case pipe(Pipe)
  }

  package struct Pipe {
    package let reading: Int32
    package let writing: Int32

    package init() throws {
      var ends: [Int32] = [-1, -1]
      try ChildProcess.starting.withLock { _ in
        guard pipe(&ends) == 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
      }
      (reading, writing) = (ends[0], ends[1])
    }

    /// The next bytes; empty at the end.
    package func read() -> Data {
      var buffer = [UInt8](repeating: 0, count: 65_536)
      var count = -1
      repeat { count = Glibc.read(reading, &buffer, buffer.count) } while count < 0 && errno == EINTR
      return Data(buffer.prefix(max(0, count)))
    }

    package func readToEnd() -> Data {
      var all = Data()
      while case let more = read(), !more.isEmpty { all += more }
      return all
    }
  }

  /// Held while a pipe is made or a child started, so that no child inherits another's pipe.
  private static let starting = Mutex<Void>(())

  package let identifier: pid_t

  /// Starts `program` with nothing on standard input and `environment` over this process's own.
  package init(
    _ program: String, _ arguments: [String], environment: [String: String] = [:], output: Output = .nowhere,
    errors: Output = .nowhere
  ) throws {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    for (descriptor, target) in [(Int32(1), output), (2, errors)] {
      switch target {
      case .nowhere: posix_spawn_file_actions_addopen(&actions, descriptor, "/dev/null", O_WRONLY, 0)
      case .file(let path):
        posix_spawn_file_actions_addopen(&actions, descriptor, path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
      case .pipe(let pipe): posix_spawn_file_actions_adddup2(&actions, pipe.writing, descriptor)
      }
    }
    // Threads of the test runner block most signals, and a child would inherit that.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
    let merged = ProcessInfo.processInfo.environment.merging(environment) { $1 }.map { "\($0)=\($1)" }
    var child = pid_t()
    let code = Self.starting.withLock { _ in
      Self.withPointers([program] + arguments) { arguments in
        Self.withPointers(merged) { posix_spawn(&child, program, &actions, &attributes, arguments, $0) }
      }
    }
    for case .pipe(let pipe) in [output, errors] { close(pipe.writing) }
    guard code == 0 else { throw POSIXError(POSIXErrorCode(rawValue: code) ?? .EIO) }
    identifier = child
  }

  /// Waits for the end; to be called once.
  package func wait() -> End {
    var status: Int32 = 0
    while waitpid(identifier, &status, 0) < 0 && errno == EINTR {}
    return status & 0x7f == 0 ? .exit(status >> 8 & 0xff) : .signal(status & 0x7f)
  }

  private static func withPointers<Result>(
    _ texts: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
  ) -> Result {
    let pointers = texts.map { strdup($0) } + [nil]
    defer { pointers.forEach { free($0) } }
    return pointers.withUnsafeBufferPointer { buffer in
      guard let base = buffer.baseAddress else { preconditionFailure("an array with a null at its end is not empty") }
      return body(base)
    }
  }
}
