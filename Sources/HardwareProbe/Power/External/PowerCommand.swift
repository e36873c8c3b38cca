// SPDX-License-Identifier: Apache-2.0
internal import CHostProbe
internal import Glibc
internal import Synchronization

/// A program that tells power: each line is read as it comes and dated then.
///
/// It runs in a process group of its own, so that Ctrl-C does not reach it before us and all of it can be ended with us.
final class PowerCommand: Sendable {
  private struct State {
    var pending: [UInt8] = []
    /// What was told before anybody sampled.
    var kept: [EnergySource.Stamped] = []
    /// How it ended, once it did.
    var ending: String?
    var isReaped = false
  }

  private let command: String
  private let child: pid_t
  private let descriptor: Int32
  private let state = Mutex(State())

  /// More than any meter prints before a line's end.
  private static let longestLine = 4096

  /// Starts it by the shell.
  init(_ command: String) throws(MeterError) {
    self.command = command
    var ends: [Int32] = [-1, -1]
    guard chp_pipe(&ends) == 0 else {
      throw .commandEnded(command: command, reason: "no pipe can be made (errno \(errno))")
    }
    _ = fcntl(ends[0], F_SETFL, O_NONBLOCK)
    descriptor = ends[0]
    let (code, child) = Self.spawn(command, writing: ends[1])
    close(ends[1])
    self.child = child
    guard code == 0 else {
      close(descriptor)
      state.withLock { $0.isReaped = true }
      throw .commandEnded(command: command, reason: "it does not start (errno \(code))")
    }
  }

  deinit { stop() }

  private static func spawn(_ command: String, writing: Int32) -> (code: Int32, child: pid_t) {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, writing, 1)
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    // We ignore broken pipes; a program that writes into one must end by itself when we are gone.
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    for number in [SIGPIPE, SIGINT, SIGTERM] { sigaddset(&signals, number) }
    posix_spawnattr_setsigdefault(&attributes, &signals)
    posix_spawnattr_setpgroup(&attributes, 0)
    posix_spawnattr_setflags(
      &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))
    var child = pid_t()
    let texts: [String] = ["/bin/sh", "-c", command]
    let words: [UnsafeMutablePointer<CChar>?] = texts.map { strdup($0) } + [nil]
    defer { words.forEach { free($0) } }
    return (posix_spawn(&child, "/bin/sh", &actions, &attributes, words, environ), child)
  }

  /// Figures of all lines that came since the last call.
  ///
  /// - Throws: once it has ended and everything it said was given.
  func read(_ now: Double) throws(MeterFailure) -> [EnergySource.Stamped] {
    let result: Result<[EnergySource.Stamped], MeterFailure> = state.withLock { state in
      if state.ending == nil { fill(&state) }
      let told = Self.lines(&state).compactMap { line in
        PowerLine.reading(line).map { EnergySource.Stamped(seconds: now, reading: $0) }
      }
      // Of lines that came together the last is the newest.
      let kept = state.kept
      state.kept = []
      if let last = told.last { return .success(kept + [last]) }
      if !kept.isEmpty { return .success(kept) }
      return state.ending.map { .failure(MeterFailure("the program \($0)")) } ?? .success([])
    }
    return try result.get()
  }

  private func fill(_ state: inout State) {
    var chunk = [UInt8](repeating: 0, count: 16384)
    while true {
      let count = Glibc.read(descriptor, &chunk, chunk.count)
      if count > 0 {
        state.pending += chunk[0..<count]
        if state.pending.count > 1 << 20 { return }
      } else if count < 0, errno == EINTR {
        continue
      } else {
        if count == 0 || errno != EAGAIN { end(&state) }
        return
      }
    }
  }

  /// Complete lines; the rest waits, unless the program has ended.
  private static func lines(_ state: inout State) -> [String] {
    var parts = state.pending.split(separator: 10, omittingEmptySubsequences: false)
    state.pending = []
    if state.ending == nil, let rest = parts.popLast(), rest.count <= longestLine { state.pending = Array(rest) }
    return parts.map { String(decoding: $0, as: UTF8.self) }
  }

  /// Its output is closed: ends the rest of it and takes its exit code.
  private func end(_ state: inout State) {
    state.ending = reap(&state) ?? "closed its output"
  }

  /// Waits up to a second for the end, then makes it one.
  private func reap(_ state: inout State) -> String? {
    guard !state.isReaped else { return nil }
    state.isReaped = true
    var status: Int32 = 0
    for attempt in 0..<200 {
      if attempt == 100 { kill(-child, SIGTERM) }
      if waitpid(child, &status, WNOHANG) != 0 { break }
      if attempt == 199 {
        kill(-child, SIGKILL)
        waitpid(child, &status, 0)
      }
      usleep(10_000)
    }
    kill(-child, SIGKILL)
    let signal = status & 0x7f
    return signal == 0 ? "ended with exit code \(status >> 8 & 0xff)" : "was ended by signal \(signal)"
  }

  /// Ends the program and everything it started; may be called again.
  func stop() {
    state.withLock { state in
      guard !state.isReaped else { return }
      kill(-child, SIGTERM)
      _ = reap(&state)
      state.ending = state.ending ?? "was stopped"
    }
  }

  /// Waits for its first figure.
  func waitForFigure(seconds: Int, _ now: () -> Double) throws(MeterError) {
    let start = EnergyMeter.wallClock()
    while EnergyMeter.wallClock() - start < Double(seconds) {
      do throws(MeterFailure) {
        let told = try read(now())
        if !told.isEmpty {
          state.withLock { $0.kept = told }
          return
        }
      } catch {
        throw .commandEnded(command: command, reason: error.reason)
      }
      var event = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      poll(&event, 1, 50)
    }
    throw .commandSilent(command: command, seconds: seconds)
  }
}
