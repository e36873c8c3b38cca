// SPDX-License-Identifier: Apache-2.0
import Foundation
import JSONText
import TestSupport
import Testing

/// Several processes and one data folder.
@Suite struct SharedArchiveTests {
  @Test func `processes that start at once make one archive`() throws {
    // Without the lock one of eight failed in about one round of twenty.
    for round in 1...5 {
      try Program.with { program in
        let names = (0..<8).map { program.dataHome.appendingPathComponent("answer-\($0)").path }
        let processes = try names.map { try program.start(["history", "--json"], output: .file(path: $0)) }
        for (process, name) in zip(processes, names) {
          let end = process.wait()
          let answer = try String(contentsOfFile: name, encoding: .utf8)
          #expect(end == .exit(0), "round \(round): \(answer)")
        }
      }
    }
  }

  @Test func `processes that measure at once keep all they reported`() throws {
    try Program.with { program in
      let model = try program.writeSmallModel()
      let processes = try (0..<4).map { _ in
        try program.start([
          "measure", "--config", model, "--full", "--prompt", "8", "--generate", "2", "--context", "16", "--samples",
          "1", "--threads", "1", "--json",
        ])
      }
      for process in processes { #expect(process.wait() == .exit(0)) }
      let kept = try program.run("history", "--json").json()["measurements"]?.arrayValue
      #expect(kept?.count == 4)
    }
  }
}
