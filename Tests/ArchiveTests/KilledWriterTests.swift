// SPDX-License-Identifier: Apache-2.0
import Archive
import Evidence
import Foundation
import TestSupport
import Testing

/// A process that is killed while it saves. It is this very test program, started again for one test only.
@Suite struct KilledWriterTests {
  private static let variable = "ANPROBE_TEST_WRITER_ARCHIVE"
  private static var path: String? { ProcessInfo.processInfo.environment[variable] }

  @Test(.enabled(if: path != nil, "only in the process that will be killed"))
  func `writer that saves until it is killed`() throws {
    let archive = try Archive(path: try #require(Self.path))
    // Far more than the other process waits for: an end is certain even when nobody kills.
    for index in 0..<100_000 {
      let number = try archive.save(Fixture.measurement(index))
      let line = Array("saved \(number)\n".utf8)
      _ = write(STDOUT_FILENO, line, line.count)
    }
  }

  @Test(.enabled(if: path == nil, "not in the process that will be killed"), arguments: [1, 7, 25])
  func `what was reported as saved survives SIGKILL, in a file without damage`(_ patience: Int) throws {
    try Fixture.withPath { path in
      let output = try ChildProcess.Pipe()
      defer { close(output.reading) }
      let process = try ChildProcess(
        URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().path,
        ["--testing-library", "swift-testing", "--filter", "writer that saves until it is killed"],
        environment: [Self.variable: path], output: .pipe(output))
      var text = Data()
      while text.split(separator: 10).count(where: { $0.starts(with: Array("saved ".utf8)) }) < patience {
        let more = output.read()
        guard !more.isEmpty else { break }
        text += more
      }
      kill(process.identifier, SIGKILL)
      text += output.readToEnd()
      #expect(process.wait() == .signal(SIGKILL))

      // A last line may be torn; a whole one was reported.
      let lines = String(decoding: text, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
      let reported = lines.dropLast().compactMap { $0.hasPrefix("saved ") ? Int64($0.dropFirst(6)) : nil }
      #expect(reported.count >= patience)
      let archive = try Archive(path: path)
      let kept = Set(try archive.measurements(limit: .max).map(\.number))
      #expect(kept.isSuperset(of: reported))
      // At most one save had happened that could not be reported any more.
      #expect(kept.count <= reported.count + 1)
      #expect(try Database.run(path, "PRAGMA integrity_check").contains { $0.contains("ok") })
      #expect(try archive.save(Fixture.measurement()) > (reported.max() ?? 0))
    }
  }
}
